//go:build unix && !linux

package actors

import "syscall"

// parkedSocket is how a socket waits without a goroutine, on systems where it can.
type parkedSocket struct{}

func (parkedSocket) park(syscall.RawConn, func()) bool { return false }

func (parkedSocket) unpark() {}

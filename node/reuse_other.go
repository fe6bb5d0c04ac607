//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package node

import "syscall"

// reuse changes nothing where SO_REUSEPORT is missing, or lets strangers steal the port.
func reuse(_, _ string, _ syscall.RawConn) error { return nil }

//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package listen

import "syscall"

// Reusable says whether the node can connect from a port that it listens on.
const Reusable = false

// reuse changes nothing: on these systems SO_REUSEPORT is missing, or lets other users' programs
// take over the port.
func reuse(_, _ string, _ syscall.RawConn) error { return nil }

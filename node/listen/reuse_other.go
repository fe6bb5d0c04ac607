//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package listen

import "syscall"

// Reusable says whether connections can leave from a port that the node listens on.
const Reusable = false

// reuse changes nothing where SO_REUSEPORT is missing, or lets strangers steal the port.
func reuse(_, _ string, _ syscall.RawConn) error { return nil }

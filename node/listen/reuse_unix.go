//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package listen

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reusable says whether the node can connect from a port that it listens on.
const Reusable = true

// reuse sets SO_REUSEADDR and SO_REUSEPORT on a socket before it is bound.
func reuse(_, _ string, c syscall.RawConn) error {
	var setErr error
	err := c.Control(func(fd uintptr) {
		setErr = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		)
	})
	return errors.Join(err, setErr)
}

//go:build unix

package admin

import "syscall"

// maxPath is how long the path of a unix socket may be, without the zero at its end.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// private gives a socket the mode 0600 before it is bound. Linux hands that on to the file;
// where a system refuses, the chmod after it has to do.
func private(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}

//go:build unix

package admin

import "syscall"

// maxPath is the maximum length in bytes of a unix socket's path, without the final zero.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// private gives a socket the mode 0600 before it is bound. On Linux the file gets the same
// mode. Other systems may refuse the call; there, only the later chmod protects the file.
func private(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}

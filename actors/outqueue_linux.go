package actors

import "golang.org/x/sys/unix"

// outQueue returns how many written bytes of a TCP socket are not acknowledged.
func outQueue(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0 // no TCP socket
	}
	return n
}

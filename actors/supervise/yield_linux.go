package supervise

import (
	"os"
	"sync"
	"syscall"
)

// idle is a file whose reader is woken by the network poller. The scheduler asks the poller when no
// goroutine can run, and gets all sockets that are ready with the reader of this file.
var idle = sync.OnceValue(func() syscall.RawConn {
	fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil
	}
	idleFile = os.NewFile(fd, "eventfd")
	raw, err := idleFile.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
})

var idleFile *os.File // a file that is not referenced is closed

// yieldToSockets makes the file readable and waits until the poller says so. Goroutines that yield
// at the same time do that one after the other, so that between two of them all others run.
func yieldToSockets() bool {
	raw := idle()
	if raw == nil {
		return false
	}
	written := false
	return raw.Read(func(fd uintptr) bool {
		count := [8]byte{1} // an eventfd's content is a number of 64 bits
		if !written {
			written = true
			_, err := syscall.Write(int(fd), count[:])
			return err != nil // then there is nothing to wait for
		}
		_, err := syscall.Read(int(fd), count[:])
		return err != syscall.EAGAIN
	}) == nil
}

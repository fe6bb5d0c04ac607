//go:build linux && (amd64 || arm64)

package actors

import (
	"syscall"
	"unsafe"
)

// readable reports whether a read would find something, including an error or the end of the
// stream. It is a bare system call, because it runs on a goroutine whose stack must stay minimal.
func readable(fd uintptr) bool {
	var b byte
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return errno != syscall.EAGAIN && errno != syscall.EINTR
}

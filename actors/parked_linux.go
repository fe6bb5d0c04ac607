package actors

import (
	"os"
	"sync"
	"syscall"
)

// parkedSocket lets a socket wait for something to read without a goroutine, whose stack and
// descriptor take 2.5 KiB. The lock of pollSet guards its fields.
type parkedSocket struct {
	id   uint64 // 0: not parked
	raw  syscall.RawConn
	wake func()
}

// pollSet has all parked sockets of the process, in an epoll set of its own. The set is a file that
// Go's poller watches for one goroutine. Set and goroutine exist while a socket is parked.
var pollSet struct {
	mu     sync.Mutex
	parked map[uint64]*parkedSocket
	lastID uint64
	fd     int      // of the set
	file   *os.File // the same, for the goroutine; nil: there is none
}

// The events that unpark a socket. Errors and hang-ups always are among them.
const wakeEvents = syscall.EPOLLIN | syscall.EPOLLRDHUP

// park implements source for a socket.
func (s *parkedSocket) park(raw syscall.RawConn, wake func()) bool {
	b := &pollSet
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil && !openPollSet() {
		return false
	}
	b.lastID++
	s.id, s.raw, s.wake = b.lastID, raw, wake
	b.parked[s.id] = s
	event := syscall.EpollEvent{Events: wakeEvents, Fd: int32(s.id), Pad: int32(s.id >> 32)}
	if err := s.control(syscall.EPOLL_CTL_ADD, &event); err != nil {
		s.leave()
		return false
	}
	return true
}

// unpark implements source.
func (s *parkedSocket) unpark() {
	pollSet.mu.Lock()
	wake := s.leave()
	pollSet.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// leave takes the socket out and returns its wake, nil if it was not parked. The caller holds the
// lock.
func (s *parkedSocket) leave() (wake func()) {
	b := &pollSet
	if s.id == 0 {
		return nil
	}
	_ = s.control(syscall.EPOLL_CTL_DEL, nil) // a closed socket has left the set already
	delete(b.parked, s.id)
	wake = s.wake
	*s = parkedSocket{}
	if len(b.parked) == 0 {
		_ = b.file.Close() // ends the goroutine; nothing was written
		b.file, b.parked = nil, nil
	}
	return wake
}

func (s *parkedSocket) control(op int, event *syscall.EpollEvent) (err error) {
	failed := s.raw.Control(func(fd uintptr) { err = syscall.EpollCtl(pollSet.fd, op, int(fd), event) })
	if failed != nil {
		return failed
	}
	return err
}

// openPollSet makes the set and its goroutine. It returns false if the system has no room for
// them. The caller holds the lock.
func openPollSet() bool {
	b := &pollSet
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that Go's poller watches the file
		_ = syscall.Close(fd)
		return false
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return false
	}
	b.fd, b.file, b.parked = fd, file, map[uint64]*parkedSocket{}
	go wakeParked(raw)
	return true
}

// wakeParked wakes the sockets of one set until the set is closed. It calls nothing that
// panics: wake starts a goroutine of the link's.
func wakeParked(set syscall.RawConn) {
	var events [64]syscall.EpollEvent
	for {
		n := 0
		err := set.Read(func(fd uintptr) bool {
			var err error
			n, err = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0 || err != nil && err != syscall.EINTR
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:max(n, 0)] {
			wakeOne(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32)
		}
	}
}

func wakeOne(id uint64) {
	b := &pollSet
	b.mu.Lock()
	var wake func()
	if s := b.parked[id]; s != nil { // otherwise unpark came first
		wake = s.leave()
	}
	b.mu.Unlock()
	if wake != nil {
		wake()
	}
}

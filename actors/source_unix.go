//go:build unix

package actors

import (
	"io"
	"os"
	"syscall"
)

// newSource prefers a source that holds no memory while it waits.
func newSource(conn io.Reader) source {
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s := &rawSource{raw: raw}
			s.try = s.attempt
			return s
		}
	}
	return blockingSource{conn}
}

// rawSource reads from a socket. Every call tries to read before it waits: bytes that arrived
// between two calls raise no event.
type rawSource struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // attempt, made once

	in  intake
	n   int
	err error

	parked parkedSocket
}

func (s *rawSource) park(wake func()) bool { return s.parked.park(s.raw, wake) }
func (s *rawSource) unpark()               { s.parked.unpark() }
func (s *rawSource) interruptible() bool   { return true }

func (s *rawSource) unacknowledged() (n int) {
	if err := s.raw.Control(func(fd uintptr) { n = outQueue(int(fd)) }); err != nil {
		return 0 // the socket is closed
	}
	return n
}

// await waits on a shallow stack. The read that follows reports any error.
func (s *rawSource) await() { _ = s.raw.Read(readable) }

func (s *rawSource) read(in intake) (int, error) {
	s.in, s.n, s.err = in, 0, nil
	err := s.raw.Read(s.try)
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// attempt is called by the poller; false makes the poller wait for the socket.
func (s *rawSource) attempt(fd uintptr) bool {
	b := s.in.space()
	if b == nil {
		return readable(fd) // a quiet link needs no memory
	}
	for {
		n, err := syscall.Read(int(fd), b)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			if s.in.nothing() {
				return false
			}
			s.err = errNothing
			return true
		case err != nil:
			s.err = os.NewSyscallError("read", err)
			return true
		case n == 0:
			s.err = io.EOF
			return true
		default:
			s.n = n
			return true
		}
	}
}

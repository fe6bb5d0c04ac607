//go:build unix

package actors

import (
	"io"
	"os"
	"syscall"
)

// newSource prefers one that holds no memory while nothing comes.
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

// rawSource reads from a socket. It tries before it waits, on every call: bytes
// that came between two calls raise no event of their own.
type rawSource struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // attempt, made once

	in  intake
	n   int
	err error
}

// await waits on a shallow stack. An error is left for the read that follows.
func (s *rawSource) await() { _ = s.raw.Read(readable) }

func (s *rawSource) read(in intake) (int, error) {
	s.in, s.n, s.err = in, 0, nil
	err := s.raw.Read(s.try)
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// attempt is called by the poller: false makes it wait for the socket.
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
			s.in.nothing()
			return false
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

package protocoltest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stream is one direction: the bytes that were written and not yet read.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	ring    []byte // grows up to limit
	first   int    // index of the first unread byte
	unread  int
	limit   int
	held    bool // the reader gets nothing, as if nothing had arrived
	stuck   bool // a writer waits for room
	transit transit

	reader, writer side
}

// side is one user of a stream.
type side struct {
	err     error // not nil: this side has closed, and its calls return this
	expired bool  // its deadline has passed
	timer   *time.Timer
}

func newStream(limit int) *stream {
	s := &stream{limit: limit}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.reader.err != nil:
			return 0, s.reader.err
		case s.reader.expired:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case s.held || s.transit.down:
		case s.arrived() > 0:
			n := s.take(p[:min(len(p), s.arrived())])
			s.changed.Broadcast()
			return n, nil
		case s.writer.err != nil && s.transit.over(s.transit.fin):
			return 0, io.EOF
		}
		s.wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writer.err != nil:
			return n, s.writer.err
		case s.writer.expired:
			return n, os.ErrDeadlineExceeded
		case s.reader.err != nil && !s.transit.down && s.transit.over(s.transit.rst):
			return n, io.ErrClosedPipe
		}
		if taken := s.put(p[n:]); taken > 0 {
			n += taken
			s.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		s.stuck = true
		if s.held {
			s.changed.Broadcast() // wakes awaitStuck
		}
		s.wait()
		s.stuck = false
	}
}

// take moves as many bytes as possible to p.
func (s *stream) take(p []byte) int {
	n := s.peek(p)
	s.first = (s.first + n) % len(s.ring)
	s.unread -= n
	return n
}

// peek copies as many bytes as possible to p.
func (s *stream) peek(p []byte) int {
	p = p[:min(len(p), s.unread)]
	if len(p) == 0 {
		return 0
	}
	n := copy(p, s.ring[s.first:])
	return n + copy(p[n:], s.ring)
}

// put stores as many bytes as there is room for.
func (s *stream) put(p []byte) int {
	p = p[:min(len(p), s.limit-s.unread)]
	s.grow(s.unread + len(p))
	for rest := p; len(rest) > 0; {
		end := (s.first + s.unread) % len(s.ring)
		n := copy(s.ring[end:min(len(s.ring), end+len(rest))], rest)
		s.unread += n
		rest = rest[n:]
	}
	s.transit.add(len(p))
	return len(p)
}

// grow makes the ring hold n bytes. An idle connection has a small ring.
func (s *stream) grow(n int) {
	if n <= len(s.ring) {
		return
	}
	ring := make([]byte, min(s.limit, max(n, 2*len(s.ring), 512)))
	s.peek(ring)
	s.ring, s.first = ring, 0
}

func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader.close(net.ErrClosed)
	s.transit.rst = s.transit.due()
	s.changed.Broadcast()
}

func (s *stream) closeWrite(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer.close(err)
	s.transit.fin = s.transit.due()
	s.changed.Broadcast()
}

// hold stops or resumes the delivery of arrived bytes to the reader.
func (s *stream) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.changed.Broadcast()
}

// reset makes later calls of both sides fail, and drops what is in transit. The caller holds s.mu.
func (s *stream) reset() {
	for _, d := range []*side{&s.reader, &s.writer} {
		if d.err == nil {
			d.close(syscall.ECONNRESET)
		}
	}
}

// close is final: a later close changes the error but reopens nothing.
func (d *side) close(err error) {
	d.err = err
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (s *stream) setDeadline(of *side, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.err == net.ErrClosed {
		return net.ErrClosed
	}
	if of.timer != nil {
		of.timer.Stop()
		of.timer = nil
	}
	of.expired = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !of.expired {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if of.timer == timer { // not replaced meanwhile
				of.expired = true
				s.changed.Broadcast()
			}
		})
		of.timer = timer
	}
	s.changed.Broadcast()
	return nil
}

package protocoltest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultBuffer is how many bytes a connection of [Pipe] holds in each direction,
// unless told otherwise: about what a socket does.
const DefaultBuffer = 64 << 10

// Pipe makes a connection in memory. Unlike net.Pipe's it has a buffer, of so many
// bytes in each direction: a socket takes bytes that nobody reads yet, and two nodes
// that write at the same time, as after a handshake, would otherwise wait for each
// other for ever. A full buffer holds the writer back as TCP does.
//
// The ends have deadlines, half-closes (CloseWrite) and TCP addresses. Whoever waits
// does so on a sync.Cond, which testing/synctest takes for blocked, so that a
// bubble's clock goes on. Each end may have one reader and one writer at a time;
// what two writers write at once may be interleaved.
func Pipe(buffer int) (a, b net.Conn) { return pipe(buffer) }

func pipe(buffer int) (a, b *conn) {
	there, back := newStream(buffer), newStream(buffer)
	return &conn{in: back, out: there, local: addrA, remote: addrB},
		&conn{in: there, out: back, local: addrB, remote: addrA}
}

// The ends have addresses that are reserved for documentation (RFC 5737).
var (
	addrA = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:30303"))
	addrB = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:30303"))
)

// conn is one end.
type conn struct {
	in, out       *stream
	local, remote net.Addr
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions. What was written can still be read by the other end.
func (c *conn) Close() error {
	c.in.closeRead()
	c.out.closeWrite(net.ErrClosed)
	return nil
}

// CloseWrite ends one direction, as (*net.TCPConn).CloseWrite does.
func (c *conn) CloseWrite() error {
	c.out.closeWrite(io.ErrClosedPipe)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.setDeadline(&c.in.reader, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.writer, t) }

// stream is one direction: what was written and not yet read.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	ring    []byte // grows up to limit
	first   int    // where the unread bytes begin
	unread  int
	limit   int
	held    bool // the reader gets nothing, as if nothing had arrived

	reader, writer side
}

// side is one user of a stream.
type side struct {
	err     error // not nil: this side has closed, and gets this
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
		case s.held:
		case s.unread > 0:
			n := s.take(p)
			s.changed.Broadcast()
			return n, nil
		case s.writer.err != nil:
			return 0, io.EOF
		}
		s.changed.Wait()
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
		case s.reader.err != nil:
			return n, io.ErrClosedPipe
		}
		if taken := s.put(p[n:]); taken > 0 {
			n += taken
			s.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		s.changed.Wait()
	}
}

// take moves as many bytes to p as there are.
func (s *stream) take(p []byte) int {
	n := s.peek(p)
	s.first = (s.first + n) % len(s.ring)
	s.unread -= n
	return n
}

// peek copies them.
func (s *stream) peek(p []byte) int {
	p = p[:min(len(p), s.unread)]
	if len(p) == 0 {
		return 0
	}
	n := copy(p, s.ring[s.first:])
	return n + copy(p[n:], s.ring)
}

// put takes as many bytes as there is room for.
func (s *stream) put(p []byte) int {
	p = p[:min(len(p), s.limit-s.unread)]
	s.grow(s.unread + len(p))
	for rest := p; len(rest) > 0; {
		end := (s.first + s.unread) % len(s.ring)
		n := copy(s.ring[end:min(len(s.ring), end+len(rest))], rest)
		s.unread += n
		rest = rest[n:]
	}
	return len(p)
}

// grow makes the ring hold n bytes. An idle connection has a small one.
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
	s.changed.Broadcast()
}

func (s *stream) closeWrite(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer.close(err)
	s.changed.Broadcast()
}

// hold keeps what arrives from the reader, or lets it go on.
func (s *stream) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.changed.Broadcast()
}

// reset fails what both sides do from now on, and loses what is under way.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range []*side{&s.reader, &s.writer} {
		if d.err == nil {
			d.close(syscall.ECONNRESET)
		}
	}
	s.changed.Broadcast()
}

// close is final: a later close changes the error but opens nothing again.
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

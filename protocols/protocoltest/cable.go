package protocoltest

import (
	"net"
	"net/netip"
	"time"
)

// Cable is a connection as [Pipe] makes it, whose network the test has in hand.
type Cable struct{ a, b *conn }

// NewCable makes a connection between two addresses that holds so many bytes in each
// direction, on their way included; 0 stands for [DefaultBuffer].
func NewCable(buffer int, a, b netip.AddrPort) *Cable {
	if buffer <= 0 {
		buffer = DefaultBuffer
	}
	there, back := newStream(buffer), newStream(buffer)
	atA, atB := net.TCPAddrFromAddrPort(a), net.TCPAddrFromAddrPort(b)
	return &Cable{
		a: &conn{in: back, out: there, local: atA, remote: atB},
		b: &conn{in: there, out: back, local: atB, remote: atA},
	}
}

// A is the one end.
func (c *Cable) A() net.Conn { return c.a }

// B is the other end.
func (c *Cable) B() net.Conn { return c.b }

// SetLatency is how long what is sent from now on is on its way, in each direction. Nothing
// overtakes what was sent before.
func (c *Cable) SetLatency(d time.Duration) {
	c.both(func(s *stream) { s.transit.lag = d })
}

// SetDown makes the network swallow what is sent, or ends that: as with TCP, what was sent
// meanwhile is not lost but arrives then, and neither end is told, also not that the other
// has closed.
func (c *Cable) SetDown(down bool) {
	c.both(func(s *stream) { s.transit.down = down })
}

// Reset fails what both ends do from now on, as when a machine between them forgets the
// connection. What is on its way is lost.
func (c *Cable) Reset() {
	c.a.in.reset()
	c.a.out.reset()
}

func (c *Cable) both(change func(*stream)) {
	for _, s := range []*stream{c.a.in, c.a.out} {
		s.mu.Lock()
		change(s)
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// transit is what of a stream is on its way. The zero value has no latency.
type transit struct {
	lag      time.Duration
	down     bool
	segments []segment // not yet arrived, in their order: the last of what is unread
	flying   int       // bytes of them
	last     time.Time // when the last one arrives
	fin, rst time.Time // when the reader learns that the writer has closed, and the reverse
	alarm    *time.Timer
}

type segment struct {
	bytes int
	due   time.Time
}

// due is when what is sent now arrives; the zero time: at once.
func (t *transit) due() time.Time {
	if t.lag <= 0 && t.flying == 0 {
		return time.Time{}
	}
	if due := time.Now().Add(t.lag); due.After(t.last) {
		t.last = due
	}
	return t.last
}

func (t *transit) over(due time.Time) bool { return due.IsZero() || !time.Now().Before(due) }

// add puts bytes on their way.
func (t *transit) add(bytes int) {
	if bytes == 0 {
		return
	}
	if due := t.due(); !due.IsZero() {
		t.segments = append(t.segments, segment{bytes, due})
		t.flying += bytes
	}
}

// arrived is how many bytes the reader may have.
func (s *stream) arrived() int {
	t := &s.transit
	for len(t.segments) > 0 && t.over(t.segments[0].due) {
		t.flying -= t.segments[0].bytes
		t.segments = t.segments[1:]
	}
	return s.unread - t.flying
}

// wait waits until something changes, or arrives.
func (s *stream) wait() {
	t := &s.transit
	next := time.Time{}
	consider := func(due time.Time) {
		if !t.over(due) && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if len(t.segments) > 0 {
		consider(t.segments[0].due)
	}
	consider(t.fin)
	consider(t.rst)
	if !next.IsZero() && t.alarm == nil && !t.down {
		t.alarm = time.AfterFunc(time.Until(next), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.alarm = nil
			s.changed.Broadcast()
		})
	}
	s.changed.Wait()
}

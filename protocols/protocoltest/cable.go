package protocoltest

import (
	"net"
	"net/netip"
	"time"
)

// Cable is a connection like one from [Pipe], whose network the test controls.
type Cable struct{ a, b *conn }

// NewCable makes a connection between two addresses. buffer is how many bytes it holds in each
// direction, those in transit included; 0 stands for [DefaultBuffer].
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

// A returns one end.
func (c *Cable) A() net.Conn { return c.a }

// B returns the other end.
func (c *Cable) B() net.Conn { return c.b }

// SetLatency sets how long later writes are in transit, in each direction. The order of writes
// stays.
func (c *Cable) SetLatency(d time.Duration) {
	c.both(func(s *stream) { s.transit.lag = d })
}

// SetDown takes the network down or restores it. As with TCP, what is sent while it is down is
// not lost but arrives afterwards; meanwhile neither end is notified, not even when the other end
// closes.
func (c *Cable) SetDown(down bool) {
	c.both(func(s *stream) { s.transit.down = down })
}

// Reset makes every later call of both ends fail, as when a router drops its state of the
// connection. What is in transit is lost.
func (c *Cable) Reset() { c.both((*stream).reset) }

// both changes the two directions as one. Otherwise an end that fails by the change of one
// direction could close before the change of the other one, and the other end would see a close.
func (c *Cable) both(change func(*stream)) {
	there, back := c.a.out, c.a.in
	there.mu.Lock()
	defer there.mu.Unlock()
	back.mu.Lock()
	defer back.mu.Unlock()
	for _, s := range []*stream{there, back} {
		change(s)
		s.changed.Broadcast()
	}
}

// transit is the part of a stream that is in transit. The zero value has no latency.
type transit struct {
	lag       time.Duration
	down      bool
	segments  []segment // not yet arrived, in order: the last of the unread bytes
	inTransit int       // number of bytes in segments
	last      time.Time // arrival time of the last segment
	fin, rst  time.Time // when the reader learns that the writer has closed, and vice versa
	alarm     *time.Timer
}

type segment struct {
	bytes int
	due   time.Time
}

// due returns when data sent now arrives; the zero time means at once.
func (t *transit) due() time.Time {
	if t.lag <= 0 && t.inTransit == 0 {
		return time.Time{}
	}
	if due := time.Now().Add(t.lag); due.After(t.last) {
		t.last = due
	}
	return t.last
}

func (t *transit) over(due time.Time) bool { return due.IsZero() || !time.Now().Before(due) }

// add puts bytes in transit.
func (t *transit) add(bytes int) {
	if bytes == 0 {
		return
	}
	if due := t.due(); !due.IsZero() {
		t.segments = append(t.segments, segment{bytes, due})
		t.inTransit += bytes
	}
}

// arrived returns how many bytes the reader may read.
func (s *stream) arrived() int {
	t := &s.transit
	for len(t.segments) > 0 && t.over(t.segments[0].due) {
		t.inTransit -= t.segments[0].bytes
		t.segments = t.segments[1:]
	}
	return s.unread - t.inTransit
}

// wait waits until the state changes or data arrives.
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

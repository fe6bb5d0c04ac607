package actors

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memConn is one end of a connection in memory, with a buffer like a socket's, deadlines and
// half-closes. Every wait uses a sync.Cond, so that the clock of a synctest bubble advances.
type memConn struct {
	in, out       *pipe
	local, remote net.Addr
	fault         atomic.Pointer[fault] // of Write, from now on
}

// fault is what happens to the writer of a connection.
type fault struct {
	mu      sync.Mutex
	at      int // bytes written before it happens
	do      func(conn *memConn) error
	written int
}

var (
	memAddrA = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:30303"))
	memAddrB = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:30303"))
)

// memPipe makes both ends of a connection that buffers capacity bytes in each direction before a
// writer blocks.
func memPipe(capacity int) (a, b *memConn) {
	there, back := newPipe(capacity), newPipe(capacity)
	return &memConn{in: back, out: there, local: memAddrA, remote: memAddrB},
		&memConn{in: there, out: back, local: memAddrB, remote: memAddrA}
}

func (c *memConn) Read(p []byte) (int, error) { return c.in.read(p) }

func (c *memConn) Write(p []byte) (int, error) {
	f := c.fault.Load()
	if f == nil {
		return c.out.write(p)
	}
	f.mu.Lock()
	left := f.at - f.written
	strikes := left >= 0 && left < len(p)
	if strikes {
		p = p[:left]
	}
	f.mu.Unlock()
	n, err := c.out.write(p)
	f.mu.Lock()
	f.written += n
	f.mu.Unlock()
	if strikes && err == nil {
		err = f.do(c)
	}
	return n, err
}

func (c *memConn) Close() error {
	c.in.change(func(p *pipe) { p.readerGone, p.data = true, nil })
	c.out.change(func(p *pipe) { p.writerGone = true })
	return nil
}

func (c *memConn) CloseWrite() error {
	c.out.change(func(p *pipe) { p.writerGone = true })
	return nil
}

// reset breaks the connection as a network failure does.
func (c *memConn) reset() {
	for _, p := range []*pipe{c.in, c.out} {
		p.change(func(p *pipe) { p.broken, p.data = true, nil })
	}
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

func (c *memConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *memConn) SetReadDeadline(t time.Time) error  { c.in.reading.set(c.in, t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error { c.out.writing.set(c.out, t); return nil }

// pipe is one direction.
type pipe struct {
	mu       sync.Mutex
	changed  sync.Cond
	data     []byte
	capacity int

	readerGone, writerGone, broken bool
	reading, writing               deadline
}

func newPipe(capacity int) *pipe {
	p := &pipe{capacity: capacity}
	p.changed.L = &p.mu
	return p
}

func (p *pipe) change(f func(p *pipe)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
	p.changed.Broadcast()
}

var errReset = errors.New("connection reset by peer")

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.broken:
			return 0, errReset
		case p.readerGone:
			return 0, net.ErrClosed
		case p.reading.over():
			return 0, os.ErrDeadlineExceeded
		case len(p.data) > 0:
			n := copy(b, p.data)
			p.data = p.data[n:]
			p.changed.Broadcast()
			return n, nil
		case p.writerGone:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (p *pipe) write(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.broken, p.readerGone:
			return n, errReset
		case p.writerGone:
			return n, net.ErrClosed
		case n == len(b):
			return n, nil
		case p.writing.over():
			return n, os.ErrDeadlineExceeded
		}
		if room := min(p.capacity-len(p.data), len(b)-n); room > 0 {
			p.data = append(p.data, b[n:n+room]...)
			n += room
			p.changed.Broadcast()
			continue
		}
		p.changed.Wait()
	}
}

// deadline is the deadline of one side of a pipe.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(p *pipe, t time.Time) {
	p.change(func(p *pipe) {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
		d.at = t
		if wait := time.Until(t); !t.IsZero() && wait > 0 {
			d.timer = time.AfterFunc(wait, func() { p.change(func(*pipe) {}) })
		}
	})
}

// stall is a fault: nothing is accepted any more, until the deadline or the close.
func stall(c *memConn) error {
	p := c.out
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.broken, p.readerGone:
			return errReset
		case p.writerGone:
			return net.ErrClosed
		case p.writing.over():
			return os.ErrDeadlineExceeded
		}
		p.changed.Wait()
	}
}

// burst is a fault: a panic in Write. It happens once.
func burst(c *memConn) error {
	c.fault.Store(nil)
	panic("conn.Write exploded")
}

// fail is a fault: the network failed.
func fail(*memConn) error { return errReset }

// tcpPipe makes a connection over the loopback interface.
func tcpPipe(t testing.TB) (dialed, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// The kernel completes the connection before Accept returns it.
	if dialed, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return dialed, accepted
}

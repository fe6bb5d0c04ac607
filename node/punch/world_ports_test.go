package punch_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

type syn struct {
	from, to netip.AddrPort
	conn     chan net.Conn
}

// Observed implements punch.TCPPort.
func (h *host) Observed(_ context.Context, neighbour netip.AddrPort) (netip.AddrPort, io.Closer, error) {
	src := h.out("tcp", hostPort, neighbour)
	h.mu.Lock()
	sight := h.sight
	h.mu.Unlock()
	time.Sleep(sight)
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.held++
	return src, &held{w: h.w}, nil
}

// held is a connection that keeps a port mapped.
type held struct {
	w    *world
	once sync.Once
}

func (h *held) Close() error {
	h.once.Do(func() {
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		h.w.held--
	})
	return nil
}

// Open implements punch.TCPPort.
func (h *host) Open(ctx context.Context, to netip.AddrPort, after time.Duration) (net.Conn, error) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s := &syn{to: to, conn: make(chan net.Conn, 1)}
	if to.Port() != 0 {
		s.from = h.out("tcp", hostPort, to)
	} else {
		s.from = netip.AddrPortFrom(h.ip, hostPort)
	}
	h.w.mu.Lock()
	if other := h.w.hosts[to.Addr()]; other != nil {
		for _, o := range other.syns {
			same := func(a, b netip.AddrPort) bool { return a == b || a.Port() == 0 && a.Addr() == b.Addr() }
			if same(o.to, s.from) && same(s.to, o.from) {
				a, b := net.Pipe()
				s.conn <- &end{Conn: a, w: h.w}
				o.conn <- &end{Conn: b, w: h.w}
				h.w.ends += 2
			}
		}
	}
	h.syns[to] = s
	h.w.mu.Unlock()
	var conn net.Conn
	select {
	case conn = <-s.conn:
	case <-ctx.Done():
	}
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.syns[to] == s {
		delete(h.syns, to)
	}
	if conn == nil {
		select {
		case conn = <-s.conn:
		default:
			return nil, ctx.Err()
		}
	}
	return conn, nil
}

// end is one end of a connection.
type end struct {
	net.Conn
	w    *world
	once sync.Once
}

func (e *end) Close() error {
	e.once.Do(func() {
		e.w.mu.Lock()
		defer e.w.mu.Unlock()
		e.w.ends--
	})
	return e.Conn.Close()
}

// Await implements punch.TCPPort.
func (h *host) Await(netip.Addr) {}

type packet struct {
	data []byte
	from netip.AddrPort
}

// socket is a host's second port.
type socket struct {
	h    *host
	port uint16
	in   chan packet
	once sync.Once
	done chan struct{}
}

func (h *host) openSecondPort() (net.PacketConn, error) {
	if h.kind != public {
		return nil, errSilence
	}
	s := &socket{h: h, port: 50000, in: make(chan packet, 64), done: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.other = s
	return s, nil
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-s.in:
		return copy(b, p.data), net.UDPAddrFromAddrPort(p.from), nil
	case <-s.done:
		return 0, nil, net.ErrClosed
	}
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	dst := to.(*net.UDPAddr).AddrPort()
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	data := append([]byte{}, b...)
	go func() {
		if other := s.h.w.cross("udp", netip.AddrPortFrom(s.h.ip, s.port), dst); other != nil {
			other.service.Sniff(data, netip.AddrPortFrom(s.h.ip, s.port))
		}
	}()
	return len(b), nil
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *socket) LocalAddr() net.Addr {
	return &net.UDPAddr{IP: s.h.ip.AsSlice(), Port: int(s.port)}
}

func (*socket) SetDeadline(time.Time) error      { return nil }
func (*socket) SetReadDeadline(time.Time) error  { return nil }
func (*socket) SetWriteDeadline(time.Time) error { return nil }

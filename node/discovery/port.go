package discovery

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// port is the socket as one protocol sees it, in one incarnation of the actor: what the
// mux hands to it comes out, and what is written goes to the mux. It implements
// discover.UDPConn. Reading ends with io.EOF, and never with an error that is called
// temporary: after one of those, v5 of the library would read no more.
type port struct {
	mux  *mux
	mu   sync.Mutex
	in   inbox
	wake chan struct{} // holds one token when something may be in
	done chan struct{}
	end  sync.Once
}

func newPort(m *mux) *port {
	return &port{mux: m, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// push takes a copy of a packet. For want of room that is lost, or another one.
func (p *port) push(data []byte, from netip.AddrPort, known bool) (lost bool) {
	p.mu.Lock()
	lost = p.in.push(data, from, known)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // there is a token
	}
	return lost
}

func (p *port) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		if p.closed() {
			return 0, netip.AddrPort{}, io.EOF
		}
		p.mu.Lock()
		next, ok := p.in.pop()
		p.mu.Unlock()
		if ok {
			return copy(b, next.data), next.from, nil
		}
		select {
		case <-p.wake:
		case <-p.done:
		}
	}
}

func (p *port) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if p.closed() {
		return 0, net.ErrClosed
	}
	return p.mux.write(b, to)
}

func (p *port) closed() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Close ends this view of the socket. The socket stays open.
func (p *port) Close() error {
	p.end.Do(func() { close(p.done) })
	return nil
}

func (p *port) LocalAddr() net.Addr { return p.mux.sockets[0].conn.LocalAddr() }

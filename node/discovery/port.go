package discovery

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// port is the socket as seen by one protocol, in one incarnation of the actor: it delivers the
// packets that the mux passes to it, and writes to the mux. It implements discover.UDPConn. Reading
// ends with io.EOF, and never returns an error that is called temporary: after such an error the
// library's v5 would stop reading.
type port struct {
	mux  *mux
	mu   sync.Mutex
	in   inbox
	wake chan struct{} // holds one token if there may be packets
	done chan struct{}
	end  sync.Once
}

func newPort(m *mux) *port {
	return &port{mux: m, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// push stores a copy of a packet. lost is true if this packet, or another one, was dropped for lack
// of room.
func (p *port) push(data []byte, from netip.AddrPort, known bool) (lost bool) {
	p.mu.Lock()
	lost = p.in.push(data, from, known)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // there already is a token
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

// Close closes the port. The socket stays open.
func (p *port) Close() error {
	p.end.Do(func() { close(p.done) })
	return nil
}

func (p *port) LocalAddr() net.Addr { return p.mux.sockets[0].conn.LocalAddr() }

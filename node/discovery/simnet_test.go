package discovery

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
)

// simNet is an in-memory network of UDP sockets with arbitrary addresses.
type simNet struct {
	mu   sync.Mutex
	ends map[netip.AddrPort]*simEnd
}

func newSimNet() *simNet { return &simNet{ends: map[netip.AddrPort]*simEnd{}} }

// simEnd is one socket. Like a real one, it drops packets that are not read in time.
type simEnd struct {
	net  *simNet
	at   netip.AddrPort
	in   chan packet
	done chan struct{}
	once sync.Once
}

func (n *simNet) listen(at string) *simEnd {
	e := &simEnd{net: n, at: netip.MustParseAddrPort(at), in: make(chan packet, 256), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends[e.at] = e
	return e
}

// cut drops the packets to an address until back is called.
func (n *simNet) cut(at string) (back func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	addr := netip.MustParseAddrPort(at)
	end := n.ends[addr]
	delete(n.ends, addr)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.ends[addr] = end
	}
}

func (e *simEnd) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-e.in:
		return copy(b, p.data), p.from, nil
	case <-e.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (e *simEnd) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	e.net.mu.Lock()
	dest := e.net.ends[to]
	e.net.mu.Unlock()
	if dest != nil {
		select {
		case dest.in <- packet{bytes.Clone(b), e.at}:
		default:
		}
	}
	return len(b), nil
}

func (e *simEnd) Close() error {
	e.once.Do(func() {
		close(e.done)
		e.net.mu.Lock()
		defer e.net.mu.Unlock()
		if e.net.ends[e.at] == e {
			delete(e.net.ends, e.at)
		}
	})
	return nil
}

func (e *simEnd) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(e.at) }

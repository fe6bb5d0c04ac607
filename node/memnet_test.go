package node_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// network is an internet in memory, for tests on the clock of a synctest bubble.
type network struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*memListener
	port      uint16
}

func newNetwork() *network {
	return &network{listeners: map[netip.AddrPort]*memListener{}, port: 40000}
}

func (n *network) listen(_ context.Context, on netip.AddrPort) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &memListener{network: n, addr: on, conns: make(chan net.Conn, 4096), closed: make(chan struct{})}
	n.listeners[on] = l
	return l, nil
}

// dialFrom gives a Dial function for a host with an address.
func (n *network) dialFrom(from netip.Addr) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		l := n.listeners[to]
		if l == nil {
			return nil, errors.New("connection refused")
		}
		n.port++
		near, far := net.Pipe()
		local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, n.port))
		remote := net.TCPAddrFromAddrPort(to)
		l.conns <- &memConn{far, remote, local}
		return &memConn{near, local, remote}, nil
	}
}

type memConn struct {
	net.Conn
	local, remote net.Addr
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

type memListener struct {
	network *network
	addr    netip.AddrPort
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.addr)
	})
	return nil
}

func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// failingListener fails while it is told to.
type failingListener struct {
	net.Listener
	err   error
	fail  atomic.Bool
	tries atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.tries.Add(1)
	if l.fail.Load() {
		return nil, l.err
	}
	return l.Listener.Accept()
}

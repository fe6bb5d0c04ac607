package nodetest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// backlog is how many connections may wait for Accept. Further dials wait.
const backlog = 4096

// Listen opens a listener, for node.Config.ListenFunc. Port 0 takes one that is free. The
// address must be that of a host.
func (n *Network) Listen(_ context.Context, on netip.AddrPort) (net.Listener, error) {
	if !on.Addr().IsValid() || on.Addr().IsUnspecified() {
		return nil, fmt.Errorf("listen on %v: want the address of a host", on)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if on.Port() == 0 {
		on = netip.AddrPortFrom(on.Addr(), n.freePort(on.Addr()))
	}
	if n.listeners[on] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(on), Err: syscall.EADDRINUSE}
	}
	l := &listener{on: on, waiting: make(chan net.Conn, backlog), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() {
		n.mu.Lock()
		delete(n.listeners, on)
		n.mu.Unlock()
		close(l.closed)
		l.sendOff()
	})
	n.listeners[on] = l
	return l, nil
}

type listener struct {
	on      netip.AddrPort
	waiting chan net.Conn
	closed  chan struct{}
	close   func()
}

// offer hands over a connection that was dialed.
func (l *listener) offer(ctx context.Context, conn net.Conn) error {
	select {
	case l.waiting <- conn:
	case <-l.closed:
		return syscall.ECONNREFUSED
	case <-ctx.Done():
		return timeout(ctx)
	}
	select {
	case <-l.closed:
		l.sendOff() // it came too late to be seen there
	default:
	}
	return nil
}

// sendOff closes the connections that nobody is going to accept.
func (l *listener) sendOff() {
	for {
		select {
		case conn := <-l.waiting:
			_ = conn.Close() // the dialer finds out
		default:
			return
		}
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-l.waiting:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.close()
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.on) }

package nodetest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// backlog is how many connections may wait for Accept. A dial beyond that waits.
const backlog = 4096

// Listen opens a listener, for node.Config.ListenFunc. Port 0 means a free port. The address
// must be that of a host.
func (n *Network) Listen(_ context.Context, on netip.AddrPort) (net.Listener, error) {
	if !on.Addr().IsValid() || on.Addr().IsUnspecified() {
		return nil, fmt.Errorf("listen on %v: not the address of a host", on)
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
		l.closeWaiting()
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

// offer queues a connection that was dialed.
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
		l.closeWaiting() // the listener closed after the connection was queued
	default:
	}
	return nil
}

// closeWaiting closes the connections that wait for Accept.
func (l *listener) closeWaiting() {
	for {
		select {
		case conn := <-l.waiting:
			_ = conn.Close() // the dialer's end reports it
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

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// connector opens connections to nodes.
type connector struct {
	dial     func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	networks []netip.Prefix // see netaddr.Allowed
	// found is told where a name led to.
	found func(id enode.ID, addrs []netip.Addr)
}

// connect resolves a node's name if it has one, and tries its addresses in turn.
func (c *connector) connect(ctx context.Context, target *enode.Node) (net.Conn, error) {
	addrs, err := c.resolve(ctx, target)
	if err != nil {
		return nil, err
	}
	var failed []error
	for i, addr := range addrs {
		if !netaddr.Allowed(c.networks, addr.Addr()) {
			failed = append(failed, fmt.Errorf("%v: %w", addr, refusal.ErrNotAllowed))
			continue
		}
		conn, err := c.connectTo(ctx, addr, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// connectTo dials one address with its share of the time that is left.
func (c *connector) connectTo(ctx context.Context, addr netip.AddrPort, tries int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		share, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(tries))
		defer cancel()
		ctx = share
	}
	return c.dial(ctx, addr)
}

// resolve gives the addresses to try. A name is looked up each time, so that a node that
// moves is found again.
func (c *connector) resolve(ctx context.Context, target *enode.Node) ([]netip.AddrPort, error) {
	if target.Hostname() == "" {
		if list := netaddr.Endpoints(target); len(list) > 0 {
			return list, nil
		}
		return nil, refusal.ErrNoAddress
	}
	if target.TCP() == 0 {
		return nil, refusal.ErrNoAddress
	}
	ips, err := c.lookup(ctx, target.Hostname())
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	var known []netip.Addr
	for _, ip := range ips {
		known = append(known, ip.Unmap())
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(target.TCP())))
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s has none", refusal.ErrNoAddress, target.Hostname())
	}
	c.found(target.ID(), known)
	return list, nil
}

// lease is a connection that a goroutine may bring while the actor already gives up:
// whoever comes second closes it.
type lease struct {
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

// set puts the connection in; false: given up meanwhile, and closed.
func (l *lease) set(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close() // nobody has used it
		return false
	}
	l.conn = conn
	return true
}

func (l *lease) get() net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// take takes the connection out; close won't touch it.
func (l *lease) take() net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conn := l.conn
	l.conn = nil
	return conn
}

func (l *lease) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.conn != nil {
		_ = l.conn.Close() // what was to be said was said
		l.conn = nil
	}
}

package setup

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

// Connector opens connections to nodes.
type Connector struct {
	Dial     func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	Lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	Networks []netip.Prefix // see netaddr.Allowed
	// Resolved is called with a node that has a DNS name, and the addresses of the name. It may
	// be nil.
	Resolved func(n *enode.Node, addrs []netip.Addr)
}

// Connect resolves a node's DNS name, if it has one, and tries the node's addresses in turn.
// The caller owns the connection. The error has those of all addresses. It is
// [refusal.ErrNotAllowed] only if none of them is allowed.
func (c *Connector) Connect(ctx context.Context, target *enode.Node) (net.Conn, error) {
	addrs, err := c.resolve(ctx, target)
	if err != nil {
		return nil, err
	}
	var failed, forbidden []error
	for i, addr := range addrs {
		if !netaddr.Allowed(c.Networks, addr.Addr()) {
			forbidden = append(forbidden, fmt.Errorf("%v: %w", addr, refusal.ErrNotAllowed))
			continue
		}
		conn, err := c.connectTo(ctx, addr, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return nil, errors.Join(forbidden...)
	}
	for _, err := range forbidden { // they say nothing of the addresses that were dialed
		failed = append(failed, errors.New(err.Error()))
	}
	return nil, errors.Join(failed...)
}

// connectTo dials one address with its share of the remaining time.
func (c *Connector) connectTo(ctx context.Context, addr netip.AddrPort, tries int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		share, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(tries))
		defer cancel()
		ctx = share
	}
	return c.Dial(ctx, addr)
}

// resolve returns the addresses to try. It looks up a DNS name each time, because the node's
// address may have changed.
func (c *Connector) resolve(ctx context.Context, target *enode.Node) ([]netip.AddrPort, error) {
	if target.Hostname() == "" {
		if list := netaddr.Endpoints(target); len(list) > 0 {
			return list, nil
		}
		return nil, refusal.ErrNoAddress
	}
	if target.TCP() == 0 {
		return nil, refusal.ErrNoAddress
	}
	ips, err := c.Lookup(ctx, target.Hostname())
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
		return nil, fmt.Errorf("%w: no address for %s", refusal.ErrNoAddress, target.Hostname())
	}
	if c.Resolved != nil {
		c.Resolved(target, known)
	}
	return list, nil
}

// heldConn is a connection that a goroutine may open while the actor ends the handshake. The
// later of the two closes it.
type heldConn struct {
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

// set stores the connection. It closes the connection and returns false if close was called
// before.
func (h *heldConn) set(conn net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = conn.Close() // nothing was sent
		return false
	}
	h.conn = conn
	return true
}

func (h *heldConn) get() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn
}

// take passes the connection to the caller. close does not close it any more.
func (h *heldConn) take() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	conn := h.conn
	h.conn = nil
	return conn
}

func (h *heldConn) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.conn != nil {
		_ = h.conn.Close() // everything for the remote was sent
		h.conn = nil
	}
}

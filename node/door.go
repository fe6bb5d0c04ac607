package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
)

const (
	// openPause is between two tries to connect through a hole.
	openPause = 100 * time.Millisecond
	// maxExpected bounds the connections that may be expected at the same time. Calls are
	// fewer.
	maxExpected = 64
)

var (
	errNoDoor  = errors.New("the node listens on no address of this family")
	errTooMany = errors.New("too many connections expected")
)

// door is the listening ports as hole punching uses them: connections go out from them, and
// some of those that come in have been agreed on. Its methods are safe from any goroutine,
// and those that the node calls may be called of a nil door: there is no hole punching by TCP.
type door struct {
	// dial connects from a listening address.
	dial func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error)
	// local gives the listening address to connect from.
	local    func(to netip.Addr) (netip.AddrPort, bool)
	networks []netip.Prefix // see netaddr.Allowed
	clock    Clock

	mu        sync.Mutex
	expected  []*expectation // oldest first
	awaited   awaited
	sightings map[netip.AddrPort]*sighting
}

var _ punch.TCPPort = (*door)(nil)

// newDoor makes the door of a node, nil if it has none. A node's door opens when it listens.
func (n *Node) newDoor() *door {
	if n.cfg.DialFrom == nil || len(n.cfg.Listen) == 0 {
		return nil
	}
	return &door{
		dial: n.cfg.DialFrom, networks: n.cfg.NetRestrict, clock: n.rt.Clock,
		local: func(to netip.Addr) (netip.AddrPort, bool) {
			bound := make([]netip.AddrPort, len(n.acceptors))
			for i, a := range n.acceptors {
				bound[i] = netaddr.Of(a.ln.Addr())
			}
			return leaveFrom(n.cfg.Listen, bound, to)
		},
		sightings: map[netip.AddrPort]*sighting{},
	}
}

// leaveFrom chooses the listening address to connect to another from: one of its family, and
// if there is one that also is, or is not, on loopback. A socket for all addresses, which
// was configured without an IP, serves both families.
func leaveFrom(configured, bound []netip.AddrPort, to netip.Addr) (from netip.AddrPort, ok bool) {
	for i, at := range bound {
		ip := at.Addr()
		if !ip.IsValid() {
			continue
		}
		if i < len(configured) && !configured[i].Addr().IsValid() && ip.Is4() != to.Is4() {
			if ip = netip.IPv6Unspecified(); to.Is4() {
				ip = netip.IPv4Unspecified()
			}
		}
		switch {
		case ip.Is4() != to.Is4():
		case ip.IsUnspecified() || ip.IsLoopback() == to.IsLoopback():
			return netip.AddrPortFrom(ip, at.Port()), true
		case !ok:
			from, ok = netip.AddrPortFrom(ip, at.Port()), true
		}
	}
	return from, ok
}

// expectation is a connection that was agreed on and may come out of a listening socket.
type expectation struct {
	from netip.AddrPort // with port 0 any
	came func()         // it is here
	conn net.Conn       // guarded by door.mu
}

// Open implements punch.Door. What is wrong with each try says nothing of the next: a SYN
// that comes before our own makes connect() fail, and brings the connection to the acceptor.
func (d *door) Open(ctx context.Context, to netip.AddrPort, after time.Duration) (net.Conn, error) {
	from, err := d.way(to)
	if err != nil {
		return nil, err
	}
	trying, stop := context.WithCancel(ctx)
	defer stop()
	e := &expectation{from: to, came: stop}
	if err := d.expect(e); err != nil {
		return nil, err
	}
	d.pause(trying, after)
	var failed error
	for to.Port() != 0 && trying.Err() == nil {
		conn, err := d.dial(trying, from, to)
		if err == nil {
			if first := d.forget(e); first != nil {
				_ = conn.Close() // the other one came first
				conn = first
			}
			return conn, nil
		}
		if trying.Err() == nil {
			failed = err
		}
		d.pause(trying, openPause)
	}
	<-trying.Done()
	if conn := d.forget(e); conn != nil {
		return conn, nil
	}
	return nil, fmt.Errorf("no connection with %v: %w", to, errors.Join(context.Cause(ctx), failed))
}

// way gives the listening address to connect to an endpoint from.
func (d *door) way(to netip.AddrPort) (from netip.AddrPort, err error) {
	if !netaddr.Allowed(d.networks, to.Addr()) {
		return from, fmt.Errorf("%v: %w", to, refusal.ErrNotAllowed)
	}
	from, ok := d.local(to.Addr())
	if !ok {
		return from, fmt.Errorf("%v: %w", to, errNoDoor)
	}
	return from, nil
}

// expect has take look for a connection.
func (d *door) expect(e *expectation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.expected) >= maxExpected {
		return errTooMany
	}
	d.expected = append(d.expected, e)
	return nil
}

// forget ends that, and gives the connection if it came.
func (d *door) forget(e *expectation) net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expected = slices.DeleteFunc(d.expected, func(other *expectation) bool { return other == e })
	return e.conn
}

// take takes a connection that the listening socket gave, if it is one that was agreed on.
func (d *door) take(conn net.Conn) bool {
	if d == nil {
		return false
	}
	at := netaddr.Of(conn.RemoteAddr())
	anyPort := netip.AddrPortFrom(at.Addr(), 0)
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.expected, func(e *expectation) bool { return e.from == at })
	if i < 0 {
		i = slices.IndexFunc(d.expected, func(e *expectation) bool { return e.from == anyPort })
	}
	if i < 0 {
		return false
	}
	e := d.expected[i]
	d.expected = slices.Delete(d.expected, i, i+1)
	e.conn = conn
	e.came()
	return true
}

// pause waits, unless ctx ends first.
func (d *door) pause(ctx context.Context, how time.Duration) {
	over := make(chan struct{})
	timer := d.clock.AfterFunc(how, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

package nodetest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// firstPort is the first port that the network assigns.
const firstPort = 32768

// Network is an internet in memory. A host is an address, and needs no registration. The
// methods are safe from any goroutine.
type Network struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*listener
	cables    map[*protocoltest.Cable]pair
	port      uint16 // the last one assigned
	lag       time.Duration
	lags      map[pair]time.Duration
	down      map[pair]bool
	groups    map[netip.Addr]int // of a partition; 0 for hosts in no group
	changed   chan struct{}      // closes when a way, a group or a latency changes
}

// pair is two hosts, the lower address first.
type pair [2]netip.Addr

func pairOf(a, b netip.Addr) pair {
	if b.Less(a) {
		a, b = b, a
	}
	return pair{a, b}
}

// NewNetwork makes a network without latency on which each host reaches all others.
func NewNetwork() *Network {
	return &Network{
		listeners: map[netip.AddrPort]*listener{},
		cables:    map[*protocoltest.Cable]pair{},
		port:      firstPort,
		lags:      map[pair]time.Duration{},
		down:      map[pair]bool{},
		changed:   make(chan struct{}),
	}
}

// Attach makes a node listen at this address of the network, and dial from its host.
func (n *Network) Attach(c *node.Config, at netip.AddrPort) {
	c.Listen, c.ListenFunc, c.Dial = []netip.AddrPort{at}, n.Listen, n.DialFrom(at.Addr())
}

// SetLatency sets how long bytes travel between any two hosts that have no latency of their
// own, on existing connections too.
func (n *Network) SetLatency(d time.Duration) { n.change(func() { n.lag = d }) }

// SetLatencyBetween gives two hosts a latency of their own.
func (n *Network) SetLatencyBetween(a, b netip.Addr, d time.Duration) {
	n.change(func() { n.lags[pairOf(a, b)] = d })
}

// Partition cuts the network: hosts in different groups do not reach each other, and the hosts
// in none of the groups are one more group. No host is notified. Connections stand still, and
// dials wait until their context ends. It replaces an earlier partition.
func (n *Network) Partition(groups ...[]netip.Addr) {
	n.change(func() {
		n.groups = map[netip.Addr]int{}
		for i, g := range groups {
			for _, host := range g {
				n.groups[host] = i + 1
			}
		}
	})
}

// SetDown cuts the way between two hosts, or restores it.
func (n *Network) SetDown(a, b netip.Addr, down bool) {
	n.change(func() { n.down[pairOf(a, b)] = down })
}

// Heal ends the partition and restores all ways that SetDown cut.
func (n *Network) Heal() {
	n.change(func() {
		n.groups = nil
		clear(n.down)
	})
}

// Reset resets all connections between two hosts.
func (n *Network) Reset(a, b netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for cable, between := range n.cables {
		if between == pairOf(a, b) {
			cable.Reset()
		}
	}
}

func (n *Network) change(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
	for cable, between := range n.cables {
		n.apply(cable, between)
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// apply sets a connection's latency, and whether it is cut.
func (n *Network) apply(cable *protocoltest.Cable, between pair) {
	cable.SetLatency(n.latency(between))
	cable.SetDown(!n.reach(between))
}

func (n *Network) latency(between pair) time.Duration {
	if d, ok := n.lags[between]; ok {
		return d
	}
	return n.lag
}

func (n *Network) reach(between pair) bool {
	return n.groups[between[0]] == n.groups[between[1]] && !n.down[between]
}

// DialFrom returns the function by which a host dials, for node.Config.Dial.
func (n *Network) DialFrom(host netip.Addr) func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		conn, err := n.dial(ctx, host, to)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
		}
		return conn, nil
	}
}

func (n *Network) dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	between := pairOf(from, to.Addr())
	lag, err := n.await(ctx, between)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, 2*lag); err != nil { // there and back
		return nil, err
	}
	l, near, far := n.connect(from, to)
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	if err := l.offer(ctx, far); err != nil {
		return nil, errors.Join(err, near.Close(), far.Close())
	}
	return near, nil
}

// await waits until the hosts reach each other.
func (n *Network) await(ctx context.Context, between pair) (lag time.Duration, err error) {
	for {
		n.mu.Lock()
		reach, lag, changed := n.reach(between), n.latency(between), n.changed
		n.mu.Unlock()
		if reach {
			return lag, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, timeout(ctx)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return timeout(ctx)
	}
}

// timeout returns the error of a dial whose context has ended, as package net would.
func timeout(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return context.Cause(ctx)
}

// connect lays a cable to the listener at an endpoint. l is nil if there is none.
func (n *Network) connect(from netip.Addr, to netip.AddrPort) (l *listener, near, far net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l = n.listeners[to]; l == nil {
		return nil, nil, nil
	}
	between := pairOf(from, to.Addr())
	cable := protocoltest.NewCable(0, netip.AddrPortFrom(from, n.freePort(from)), to)
	n.apply(cable, between)
	n.cables[cable] = between
	open := 2
	closed := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if open--; open == 0 {
			delete(n.cables, cable)
		}
	}
	return l, &end{Conn: cable.A(), closed: sync.OnceFunc(closed)}, &end{Conn: cable.B(), closed: sync.OnceFunc(closed)}
}

// freePort assigns a port of a host.
func (n *Network) freePort(host netip.Addr) uint16 {
	for {
		if n.port++; n.port < firstPort {
			n.port = firstPort
		}
		if n.listeners[netip.AddrPortFrom(host, n.port)] == nil {
			return n.port
		}
	}
}

// end is one end of a connection.
type end struct {
	net.Conn
	closed func()
}

func (e *end) Close() error {
	e.closed()
	return e.Conn.Close()
}

// CloseWrite ends one direction, as (*net.TCPConn).CloseWrite does.
func (e *end) CloseWrite() error { return e.Conn.(interface{ CloseWrite() error }).CloseWrite() }

package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/p2p/discover"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// portTries is how many port numbers to try to find one that is free for TCP and UDP.
const portTries = 16

// Sockets are the listening sockets of a node. The methods are safe from any goroutine.
type Sockets struct {
	addrs     []netip.AddrPort // as configured
	acceptors []*acceptor
	udp       []discover.UDPConn
	udpPort   uint16 // as configured
	log       *slog.Logger

	quit     chan struct{} // closes when the node accepts no more connections
	closing  sync.Once
	counters counters
}

type counters struct{ accepted, failed atomic.Uint64 }

// State is the counters of the sockets. The counters only grow.
type State struct {
	Accepted uint64 // connections
	Failed   uint64 // calls of Accept that failed
}

// State returns the counters.
func (s *Sockets) State() State {
	return State{Accepted: s.counters.accepted.Load(), Failed: s.counters.failed.Load()}
}

// Open opens a socket for each address. After an error no socket is open.
func Open(ctx context.Context, c SocketConfig) (*Sockets, error) {
	var first error // what the later tries meet may have another cause
	for range portTries {
		s := &Sockets{addrs: c.Addrs, udpPort: c.UDPPort, log: c.Logger, quit: make(chan struct{})}
		again, err := s.open(ctx, c)
		if err == nil {
			return s, nil
		}
		s.Close()
		if first == nil {
			first = err
		}
		if !again {
			return nil, first
		}
	}
	return nil, fmt.Errorf("listen: no port number free for TCP and UDP on all addresses in %d tries: %w", portTries, first)
}

// open opens all sockets. The system chooses one port number for all addresses with port 0.
// After an error, again says that another number may succeed.
func (s *Sockets) open(ctx context.Context, c SocketConfig) (again bool, err error) {
	var drawn uint16
	for _, on := range c.Addrs {
		free := on.Port() == 0
		if free {
			on = netip.AddrPortFrom(on.Addr(), drawn)
		}
		ln, err := c.TCP(ctx, on)
		if err != nil {
			return free && drawn != 0, fmt.Errorf("listen on %s: %w", place(on), err)
		}
		s.acceptors = append(s.acceptors, &acceptor{ln: ln, quit: s.quit, stats: &s.counters})
		if !free || drawn != 0 {
			continue
		}
		tcp, ok := ln.Addr().(*net.TCPAddr)
		if !ok {
			continue // a network in memory, without UDP
		}
		if err := tryUDP(tcp); err != nil {
			return true, fmt.Errorf("listen on UDP port %d: %w", tcp.Port, err)
		}
		drawn = uint16(tcp.Port)
	}
	return drawn != 0, s.openUDP(ctx, c)
}

// place names an address to listen on.
func place(on netip.AddrPort) string {
	if on.Addr().IsValid() {
		return on.String()
	}
	return fmt.Sprintf("port %d of all addresses", on.Port())
}

// tryUDP returns why the UDP port of a number can't be had, nil if it can.
func tryUDP(at *net.TCPAddr) error {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
	if err != nil {
		return err
	}
	return conn.Close()
}

// openUDP opens a UDP socket for each listening address, or one for all addresses if the node
// only dials.
func (s *Sockets) openUDP(ctx context.Context, c SocketConfig) error {
	if c.UDP == nil {
		return nil
	}
	for _, on := range s.UDPAddrs() {
		conn, err := c.UDP(ctx, on)
		if err != nil {
			return fmt.Errorf("listen for discovery on %s: %w", place(on), err)
		}
		s.udp = append(s.udp, conn)
	}
	return nil
}

// UDPAddrs lists the addresses on which discovery listens. An address without an IP stands for
// all addresses.
func (s *Sockets) UDPAddrs() []netip.AddrPort {
	if len(s.acceptors) == 0 {
		return []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, s.udpPort)}
	}
	var all []netip.AddrPort
	for i, a := range s.acceptors {
		port := s.udpPort
		if port == 0 {
			port = netaddr.Of(a.ln.Addr()).Port()
		}
		all = append(all, netip.AddrPortFrom(s.addrs[i].Addr(), port))
	}
	return all
}

// CloseTCP closes the TCP sockets. It may be called again.
func (s *Sockets) CloseTCP() {
	s.closing.Do(func() { close(s.quit) })
	for _, a := range s.acceptors {
		if err := a.ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Debug("closing a listener failed", "addr", a.ln.Addr(), "err", err)
		}
	}
}

// Close closes all sockets. Usually the discovery actor has already closed the UDP sockets.
func (s *Sockets) Close() {
	s.CloseTCP()
	for _, conn := range s.udp {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Debug("closing a socket failed", "addr", conn.LocalAddr(), "err", err)
		}
	}
}

// UDP lists the sockets of discovery.
func (s *Sockets) UDP() []discover.UDPConn { return s.udp }

// Bound lists the addresses of the TCP sockets. The address of a listener that is not TCP is
// invalid.
func (s *Sockets) Bound() []netip.AddrPort {
	bound := make([]netip.AddrPort, len(s.acceptors))
	for i, a := range s.acceptors {
		bound[i] = netaddr.Of(a.ln.Addr())
	}
	return bound
}

// Addr returns the first TCP address as text, empty for a node that does not listen.
func (s *Sockets) Addr() string {
	if len(s.acceptors) == 0 {
		return ""
	}
	return s.acceptors[0].ln.Addr().String()
}

// Port returns the port of the first TCP socket, 0 if there is none.
func (s *Sockets) Port() uint16 {
	if len(s.acceptors) == 0 {
		return 0
	}
	return netaddr.Of(s.acceptors[0].ln.Addr()).Port()
}

// UDPPort returns the port of discovery, 0 without discovery.
func (s *Sockets) UDPPort() uint16 {
	if len(s.udp) == 0 {
		return 0
	}
	return netaddr.Of(s.udp[0].LocalAddr()).Port()
}

// Only returns the one address that the node listens on. It is invalid if the node listens on
// all addresses. If there are several, Only prefers one that is not loopback, because a router
// may forward to it.
func (s *Sockets) Only() netip.Addr {
	var only netip.Addr
	for _, at := range s.Bound() {
		ip := at.Addr()
		if !ip.IsValid() || ip.IsUnspecified() {
			return netip.Addr{}
		}
		if !only.IsValid() || only.IsLoopback() && !ip.IsLoopback() {
			only = ip
		}
	}
	return only
}

// From returns the listening address from which to connect to an address. It has the same
// family. If there are several, From prefers one that is on loopback if and only if to is. A
// socket that was configured without an IP serves both families. ok is false if there is none.
func (s *Sockets) From(to netip.Addr) (from netip.AddrPort, ok bool) {
	return leaveFrom(s.addrs, s.Bound(), to)
}

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

package record

import (
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// endpoint has the addresses and ports of a record.
type endpoint struct {
	ip4, ip6     netip.Addr // invalid: none
	tcp4, tcp6   uint16     // 0: none
	udp          uint16     // 0: none; for both families
	sure4, sure6 surety     // of ip4 and ip6
}

// surety is how reliable an address is.
type surety uint8

const (
	guessed  surety = iota // a guess, or there is no address
	observed               // a neighbour observes the node at the address
	certain                // from the operator or a router, or the only listening address
)

// listening returns the endpoint of the listening sockets, with a guess if the node listens on
// all addresses.
func (r *Record) listening() endpoint {
	e := endpoint{udp: r.Sockets.UDPPort()}
	for _, at := range r.Sockets.Bound() {
		if !at.Addr().IsValid() {
			continue
		}
		ip, sure := at.Addr(), certain
		if ip.IsUnspecified() {
			ip, sure = r.guess(), guessed
		}
		if ip.Is4() && !e.ip4.IsValid() {
			e.ip4, e.tcp4, e.sure4 = ip, at.Port(), sure
		}
		if ip.Is6() && !e.ip6.IsValid() {
			e.ip6, e.tcp6, e.sure6 = ip.WithZone(""), at.Port(), sure
		}
	}
	return e
}

// guess returns the assumed address of a node that listens on all addresses: a public address
// of the machine, or loopback. With the public address the first nodes of a network can find
// each other before any node observes another.
func (r *Record) guess() netip.Addr {
	if r.Machine != nil {
		for _, ip := range r.Machine() {
			if ip.Is4() && netaddr.Public(ip) {
				return ip
			}
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// endpoint returns the node's endpoint from the best available source.
func (r *Record) endpoint() endpoint {
	e := r.listening().from(r.outside)
	if s := r.reach.Load(); s != nil {
		e = e.seen(s.Observed, s.TCP)
	}
	return e
}

// from replaces the address of a family with the one from the router or the operator. A name of the
// operator may have an address of each family.
func (e endpoint) from(outside nat.ExternalAddress) endpoint {
	for _, ip := range []netip.Addr{outside.IP.Unmap(), outside.Other.Unmap()} {
		switch {
		case ip.Is4():
			e.ip4, e.tcp4, e.sure4 = ip, uint16(outside.TCPPort), certain
		case ip.Is6():
			e.ip6, e.tcp6, e.sure6 = ip, uint16(outside.TCPPort), certain
		}
	}
	if outside.IP.IsValid() && e.udp != 0 {
		e.udp = uint16(outside.UDPPort)
	}
	return e
}

// seen replaces a guess with the endpoint that neighbours observe: udp, and tcp if it is valid.
// The record has one UDP port for both families: the port of a certain address stays.
func (e endpoint) seen(udp, tcp netip.AddrPort) endpoint {
	ip, port := udp.Addr().Unmap(), udp.Port()
	known := tcp.IsValid() && tcp.Addr().Unmap() == ip
	moves := port != e.udp
	switch {
	case e.udp == 0:
		// A certain source says that no node can reach this one by UDP.
	case ip.Is4() && e.ip4.IsValid() && e.sure4 == guessed && !(moves && e.sure6 == certain):
		e.ip4, e.udp, e.sure4 = ip, port, observed
		if known {
			e.tcp4 = tcp.Port()
		}
	case ip.Is6() && e.sure6 == guessed && !(moves && e.sure4 == certain):
		e.ip6, e.tcp6, e.udp, e.sure6 = ip, e.tcp4, port, observed
		if known {
			e.tcp6 = tcp.Port()
		}
	}
	return e
}

// open reports whether other nodes can reach this one at the endpoint without hole punching. A
// private listening address may be behind a NAT. Any other certain address is open. outside is
// the address from the operator or a router.
func (e endpoint) open(outside nat.ExternalAddress) bool {
	is := func(ip netip.Addr, tcp uint16, sure surety) bool {
		return sure == certain && tcp != 0 && (ip == outside.IP.Unmap() || ip == outside.Other.Unmap() || !netaddr.Private(ip))
	}
	return e.udp != 0 && (is(e.ip4, e.tcp4, e.sure4) || is(e.ip6, e.tcp6, e.sure6))
}

// entries returns the endpoint as record entries (EIP-778). The TCP port of IPv6 has an entry
// of its own only if it differs.
func (e endpoint) entries() []enr.Entry {
	var list []enr.Entry
	if e.ip4.IsValid() {
		list = append(list, enr.IPv4Addr(e.ip4))
	}
	if e.ip6.IsValid() {
		list = append(list, enr.IPv6Addr(e.ip6))
	}
	tcp := e.tcp4
	if tcp == 0 {
		tcp = e.tcp6
	}
	if tcp != 0 {
		list = append(list, enr.TCP(tcp))
	}
	if e.tcp6 != 0 && e.tcp6 != tcp {
		list = append(list, enr.TCP6(e.tcp6))
	}
	if e.udp != 0 {
		list = append(list, enr.UDP(e.udp))
	}
	return list
}

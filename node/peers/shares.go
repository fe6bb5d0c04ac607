package peers

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// SharesFor returns how many peers may share one address and one network by default, for a
// limit of peers: a tenth and a fifth. An attacker that has all addresses of a network, and any
// number of node IDs, then has at most one peer in five. Two peers may always share an address
// or network; otherwise two nodes behind one router could not both connect.
func SharesFor(peers int) (perHost, perNetwork int) {
	return max(2, peers/10), max(2, peers/5)
}

// shares counts dynamic peers by host and network. Private addresses are exempt: many nodes
// share few of them by design. A limit of zero or less means no limit.
type shares struct {
	perHost, perNetwork int

	count map[netip.Prefix]int
}

// refuse returns an error if one more peer at this address would be too many.
func (s *shares) refuse(addr netip.Addr) error {
	switch {
	case netaddr.Private(addr):
		return nil
	case s.perHost > 0 && s.count[netaddr.Host(addr)] >= s.perHost:
		return refusal.ErrCrowdedHost
	case s.perNetwork > 0 && s.count[netaddr.Network(addr)] >= s.perNetwork:
		return refusal.ErrCrowdedNetwork
	}
	return nil
}

// add counts a peer at this address.
func (s *shares) add(addr netip.Addr) {
	if netaddr.Private(addr) {
		return
	}
	if s.count == nil {
		s.count = map[netip.Prefix]int{}
	}
	s.count[netaddr.Host(addr)]++
	s.count[netaddr.Network(addr)]++
}

// remove reverts one add.
func (s *shares) remove(addr netip.Addr) {
	if netaddr.Private(addr) {
		return
	}
	for _, p := range []netip.Prefix{netaddr.Host(addr), netaddr.Network(addr)} {
		if s.count[p]--; s.count[p] <= 0 {
			delete(s.count, p)
		}
	}
}

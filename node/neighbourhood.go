package node

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// sharesFor says how many peers may come from one address and one network by default, of
// a node with a limit of peers: a tenth and a fifth, so that whoever has all addresses of
// a network, and as many node IDs as he likes, is one neighbour among five. Two may share
// even the smallest table, or two friends behind one router could not both come in.
func sharesFor(peers int) (perHost, perNetwork int) {
	return max(2, peers/10), max(2, peers/5)
}

// neighbourhood counts peers by where they come from, and says who may still come. A
// limit of zero or less is none.
type neighbourhood struct {
	perHost, perNetwork int

	count map[netip.Prefix]int
}

// refuse says whether one more from this address would be too many.
func (h *neighbourhood) refuse(addr netip.Addr) error {
	switch {
	case netaddr.Private(addr):
		return nil
	case h.perHost > 0 && h.count[netaddr.Host(addr)] >= h.perHost:
		return refusal.ErrCrowdedHost
	case h.perNetwork > 0 && h.count[netaddr.Network(addr)] >= h.perNetwork:
		return refusal.ErrCrowdedNetwork
	}
	return nil
}

// add counts one from this address.
func (h *neighbourhood) add(addr netip.Addr) {
	if netaddr.Private(addr) {
		return
	}
	if h.count == nil {
		h.count = map[netip.Prefix]int{}
	}
	h.count[netaddr.Host(addr)]++
	h.count[netaddr.Network(addr)]++
}

// remove takes back what add counted.
func (h *neighbourhood) remove(addr netip.Addr) {
	if netaddr.Private(addr) {
		return
	}
	for _, p := range []netip.Prefix{netaddr.Host(addr), netaddr.Network(addr)} {
		if h.count[p]--; h.count[p] <= 0 {
			delete(h.count, p)
		}
	}
}

package node

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/node/refusal"
)

// sharesFor says how many peers may come from one address and one network by default, of
// a node with a limit of peers: a tenth and a fifth, so that whoever has all addresses of
// a network, and as many node IDs as he likes, is one neighbour among five. Two may share
// even the smallest table, or two friends behind one router could not both come in.
func sharesFor(peers int) (perHost, perNetwork int) {
	return max(2, peers/10), max(2, peers/5)
}

// sharedSpace is what providers and overlay networks number their own with (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// exempt is true for addresses that say nothing of who is behind them: of this machine,
// of private networks and links, where many nodes share few addresses by nature.
func exempt(addr netip.Addr) bool {
	return isLocal(addr) || addr.IsPrivate() || addr.IsLinkLocalUnicast() || sharedSpace.Contains(addr)
}

// hostOf is what counts as one host: an IPv4 address or, as each host has one to itself,
// an IPv6 /64.
func hostOf(addr netip.Addr) netip.Prefix {
	if addr.Is4() {
		return netip.PrefixFrom(addr, 32)
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked()
}

// networkOf is what counts as one network: an IPv4 /24, or an IPv6 /48, which is what a
// site commonly gets.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	return netip.PrefixFrom(addr.WithZone(""), bits).Masked()
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
	case exempt(addr):
		return nil
	case h.perHost > 0 && h.count[hostOf(addr)] >= h.perHost:
		return refusal.ErrCrowdedHost
	case h.perNetwork > 0 && h.count[networkOf(addr)] >= h.perNetwork:
		return refusal.ErrCrowdedNetwork
	}
	return nil
}

// add counts one from this address.
func (h *neighbourhood) add(addr netip.Addr) {
	if exempt(addr) {
		return
	}
	if h.count == nil {
		h.count = map[netip.Prefix]int{}
	}
	h.count[hostOf(addr)]++
	h.count[networkOf(addr)]++
}

// remove takes back what add counted.
func (h *neighbourhood) remove(addr netip.Addr) {
	if exempt(addr) {
		return
	}
	for _, p := range []netip.Prefix{hostOf(addr), networkOf(addr)} {
		if h.count[p]--; h.count[p] <= 0 {
			delete(h.count, p)
		}
	}
}

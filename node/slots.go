package node

import (
	"net/netip"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// slotClass says who may take which slot of the inbound handshakes. Those of a lower number
// get a free one first.
type slotClass uint8

const (
	slotKnown     slotClass = iota // comes from the address of a known node
	slotCalled                     // a hole was punched for it
	slotAnnounced                  // a neighbour said that it would come
	slotStranger                   // all others
	numSlotClasses
)

// slots bounds the inbound handshakes under way. One in four is kept for connections
// from the addresses of known nodes, so that strangers who connect and stay silent
// don't lock those out. A third of these each are also for those that holes are punched for,
// and for those that were announced: they should not come in vain, but strangers they are.
type slots struct {
	max   int
	taken [numSlotClasses]int
}

// take reports whether there is a slot, and uses it.
func (s *slots) take(class slotClass) bool {
	kept := s.max / 4
	switch {
	case s.taken[slotKnown]+s.taken[slotCalled]+s.taken[slotAnnounced]+s.taken[slotStranger] >= s.max,
		class == slotStranger && s.taken[class] >= s.max-kept,
		(class == slotCalled || class == slotAnnounced) && s.taken[class] >= max(1, kept/3):
		return false
	}
	s.taken[class]++
	return true
}

// free gives back what take gave for the same class.
func (s *slots) free(class slotClass) { s.taken[class]-- }

const (
	throttleWindow = 30 * time.Second
	// throttleNetwork is how many addresses of one network may come in within throttleWindow.
	// Each can hold a handshake for five seconds, so that all of them would leave no slot for
	// others; so many hold fewer than three on average.
	throttleNetwork = 16
	// throttleMemory bounds the addresses remembered; beyond it the oldest are forgotten.
	throttleMemory = 8192
)

// throttle lets an address on the public internet in once in throttleWindow, as other
// clients do: a remote that is refused and comes right back costs a handshake each time.
// Loopback and private networks are exempt, where many nodes may share an address.
type throttle struct {
	seen     map[netip.Prefix]time.Time // by host
	order    []netip.Prefix             // oldest first
	networks map[netip.Prefix]int       // how many of seen are in each
}

func (t *throttle) allow(addr netip.Addr, now time.Time) bool {
	if netaddr.Private(addr) {
		return true
	}
	for len(t.order) > 0 && (len(t.order) >= throttleMemory || now.Sub(t.seen[t.order[0]]) >= throttleWindow) {
		t.forgetFirst()
	}
	host, network := netaddr.Host(addr), netaddr.Network(addr)
	if _, ok := t.seen[host]; ok || t.networks[network] >= throttleNetwork {
		return false
	}
	if t.seen == nil {
		t.seen, t.networks = map[netip.Prefix]time.Time{}, map[netip.Prefix]int{}
	}
	t.seen[host] = now
	t.networks[network]++
	t.order = append(t.order, host)
	return true
}

func (t *throttle) forgetFirst() {
	host := t.order[0]
	t.order = t.order[1:]
	delete(t.seen, host)
	network := netaddr.Network(host.Addr())
	if t.networks[network]--; t.networks[network] == 0 {
		delete(t.networks, network)
	}
}

package setup

import (
	"net/netip"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// slotClass determines which slots of the inbound handshakes a connection may take. A lower
// class gets a free slot first.
type slotClass uint8

const (
	slotKnown     slotClass = iota // from the address of a static or trusted node
	slotCalled                     // a hole was punched for it
	slotAnnounced                  // a neighbour announced it
	slotStranger                   // any other
	numSlotClasses
)

// slots limits the inbound handshakes in progress. One slot in four is kept for connections
// from the addresses of static and trusted nodes, so that strangers that connect and send
// nothing do not lock those out. A third of the kept slots is also open to punched connections,
// and another third to announced ones: they are expected, but their remotes are strangers.
type slots struct {
	max   int
	taken [numSlotClasses]int
}

// take takes a slot. It returns false if no slot is free for the class.
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

// free releases a slot that was taken for the class.
func (s *slots) free(class slotClass) { s.taken[class]-- }

const (
	throttleWindow = 30 * time.Second
	// throttleNetwork is how many addresses of one network may connect within throttleWindow.
	// Each can hold a handshake for five seconds, so a whole network could take all slots. This
	// many addresses hold fewer than three slots on average.
	throttleNetwork = 16
	// throttleMemory limits the addresses remembered. Beyond it the oldest are forgotten.
	throttleMemory = 8192
)

// throttle admits a public address once in throttleWindow, as other clients do: a remote that
// is refused and connects again at once would cost a handshake each time. Private addresses are
// exempt, because many nodes may share one.
type throttle struct {
	seen     map[netip.Prefix]time.Time // by host
	order    []netip.Prefix             // oldest first
	networks map[netip.Prefix]int       // how many of seen are in each
}

// allow reports whether an address may connect now, and counts the connection if so.
func (t *throttle) allow(addr netip.Addr, now time.Time) bool {
	if netaddr.Private(addr) {
		return true
	}
	for len(t.order) > 0 && (len(t.order) >= throttleMemory || now.Sub(t.seen[t.order[0]]) >= throttleWindow) {
		t.forgetFirst()
	}
	if len(t.order) == 0 {
		*t = throttle{} // maps keep the memory of a flood
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

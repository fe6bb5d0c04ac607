package punch

import (
	"net/netip"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// observationLife is how long an observation counts: the time between two HELLOs of an open node,
	// and a minute in case one is lost.
	observationLife = helloEveryOpen + time.Minute
	// disagreementSpan is the age up to which two observations can contradict each other. A NAT that
	// restarts, or gets another address, makes older observations wrong; it is not address-dependent.
	disagreementSpan = time.Minute
	// maxDestinations bounds the destinations in one set of observations.
	maxDestinations = 16
)

// belief is what the node believes of the NAT that it is behind, based on what other nodes see. Any of them may
// lie. If three or more observers agree, a single one that says something else changes nothing, whatever
// it says and however often it changes it. The zero value is ready.
type belief struct {
	open bool // other nodes reach this one, according to the operator or a router
	// views are the observations from the Internet by IPv4 and by IPv6, then those from private networks by
	// both. They are independent: the node has another endpoint in each.
	views     [4]observations
	announced struct {
		nat NAT
		at  netip.AddrPort
	}
}

// observe records that a destination saw the node under an endpoint; own is true if its address is one of the
// machine's. It reports whether belief or endpoint have changed since the previous observation.
func (b *belief) observe(by, seen netip.AddrPort, own bool, now time.Time) (changed bool) {
	by, seen = netaddr.Unmap(by), netaddr.Unmap(seen)
	if !by.IsValid() || !seen.IsValid() || seen.Port() == 0 || by.Addr().Is4() != seen.Addr().Is4() {
		return false
	}
	i := 0
	if by.Addr().Is6() {
		i++
	}
	if netaddr.Private(by.Addr()) {
		i += 2
	} else if netaddr.Private(seen.Addr()) {
		return false // no node on the Internet sees a private address
	}
	b.views[i].observe(observation{by: by, seen: seen, own: own, near: netaddr.Private(by.Addr()), since: now, last: now}, now)
	nat, at := b.nat(now), b.endpoint(now)
	changed = nat != b.announced.nat || at != b.announced.at
	b.announced.nat, b.announced.at = nat, at
	return changed
}

// mapped records whether other nodes reach this one for another reason, and reports whether that is new.
func (b *belief) mapped(open bool) (changed bool) {
	changed = b.open != open
	b.open = open
	return changed
}

// nat returns the belief at a time.
func (b *belief) nat(now time.Time) NAT {
	if b.open {
		return Open
	}
	return b.relevant(now).nat(now)
}

// endpoint returns the UDP endpoint to announce: the one on which most recent observers agree, and of several
// the one that was seen first. It is invalid while there are no observations.
func (b *belief) endpoint(now time.Time) netip.AddrPort {
	at, _ := b.relevant(now).leading(now)
	return at
}

// relevant returns the observations that count. Those from the Internet come first, because a neighbour in
// the same network sees nothing of the NAT. Among them the first with a known kind of NAT counts, IPv4
// before IPv6, which seldom has NATs.
func (b *belief) relevant(now time.Time) *observations {
	for _, views := range [][]observations{b.views[:2], b.views[2:]} {
		first := -1
		for i := range views {
			if _, ok := views[i].leading(now); !ok {
				continue
			}
			if views[i].nat(now) != Unknown {
				return &views[i]
			}
			if first < 0 {
				first = i
			}
		}
		if first >= 0 {
			return &views[first]
		}
	}
	return &b.views[0]
}

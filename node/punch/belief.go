package punch

import (
	"net/netip"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// observationLife is how long an observation counts: as long as an open node takes
	// from one HELLO to the next, and the time for one that was lost.
	observationLife = helloEveryOpen + time.Minute
	// disagreementSpan is how far from now two observations may be to contradict each other. A NAT
	// that is restarted, or gets another address, makes what was seen before wrong, not it address-dependent.
	disagreementSpan = time.Minute
	// maxDestinations bounds the observations of one view.
	maxDestinations = 16
)

// belief is what we believe of the NAT that we are behind, by what others see. Any of them may
// lie: where three or more observers agree, what one says changes nothing, whatever it is and
// however often it is another. The zero value is ready.
type belief struct {
	open bool // others reach us, for what the operator or a router says
	// views are those from the Internet by IPv4 and IPv6, and from networks near us by both. They have
	// nothing to do with each other: to each we are somebody else.
	views     [4]observations
	announced struct {
		nat NAT
		at  netip.AddrPort
	}
}

// observe takes in that a destination saw us under an endpoint; own is true if its address is
// one of the machine's. It says whether what we believe is another than after the observation before.
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
		return false // nobody on the Internet sees a private address
	}
	b.views[i].observe(observation{by: by, seen: seen, own: own, near: netaddr.Private(by.Addr()), since: now, last: now}, now)
	nat, at := b.nat(now), b.endpoint(now)
	changed = nat != b.announced.nat || at != b.announced.at
	b.announced.nat, b.announced.at = nat, at
	return changed
}

// mapped takes in whether others reach us for another reason, and says whether that is new.
func (b *belief) mapped(open bool) (changed bool) {
	changed = b.open != open
	b.open = open
	return changed
}

// nat is what we believe now.
func (b *belief) nat(now time.Time) NAT {
	if b.open {
		return Open
	}
	return b.relevant(now).nat(now)
}

// endpoint is the UDP endpoint to announce, the one that most observers of late agree on; of
// several, the one that was seen first. It is not valid while nobody has said what he sees.
func (b *belief) endpoint(now time.Time) netip.AddrPort {
	at, _ := b.relevant(now).leading(now)
	return at
}

// view is the one that counts: from the Internet if there is any from there, as a neighbour in
// the same network sees nothing of the NAT; then the first that says something, IPv4
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

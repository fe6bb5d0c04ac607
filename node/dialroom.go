package node

import "time"

const (
	// DefaultDialRatio is the share of the peers that a node looks for itself: one in three.
	DefaultDialRatio = 3
	// minDialed is how many it may look for where that would be fewer, up to half of all.
	// With one or two that one dials, a small network falls apart, and all of them are soon
	// somebody's who wants to be the only neighbour.
	minDialed = 4
	// spareDials are under way on top of what there is room for.
	spareDials = 2
	// starvedAfter is how long nobody may have dialed us before we take their places: behind
	// a router that lets nothing in, a node would be left with a third of its peers.
	starvedAfter = 3 * time.Minute
)

// dialShare says how many of so many peers are for dials.
func dialShare(peers, ratio int) int {
	return max(peers/ratio, min((peers+1)/2, minDialed))
}

// room is what there is for dynamic peers that we dial.
type room struct {
	limit    int // how many there may be
	outbound int // how many there are
}

// free is how many more there may be.
func (r room) free() int { return r.limit - r.outbound }

// dials is how many dials for them may be under way at once. Most come to nothing, often
// after a long wait, so that the last places would take long to fill one by one.
func (r room) dials() int {
	if r.free() <= 0 {
		return 0
	}
	return r.free() + spareDials
}

// dialRoom follows from the limits and who is there. A starved node may also have the
// places that nobody else takes, but for a quarter of all: if everybody dialed until all
// are full, nobody new would find a place anywhere. Where peers on this machine don't
// count, there is room for more of them also when there is none for others.
func (l limits) dialRoom(c counts, starved bool) room {
	r := room{limit: l.outbound, outbound: c.outbound}
	if starved && l.outbound > 0 {
		r.limit = max(r.limit, l.peers-max(1, l.peers/4)-c.inbound)
	}
	if l.loopback == 0 || c.loopback == 0 {
		r.limit = min(r.limit, c.outbound+l.peers-c.others)
	}
	return r
}

func (r *roster) dialRoom(starved bool) room {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.limits.dialRoom(r.counts, starved)
}

// began sets off the wait for somebody to dial us.
func (p *dialPlan) began(now time.Time) {
	if p.lastInbound.IsZero() {
		p.lastInbound = now
	}
}

// starvesIn is how long it takes to be starved if nobody dials us.
func (p *dialPlan) starvesIn(now time.Time) time.Duration {
	return p.lastInbound.Add(starvedAfter).Sub(now)
}

// starved says whether nobody has dialed us for long.
func (p *dialPlan) starved(now time.Time) bool { return p.starvesIn(now) <= 0 }

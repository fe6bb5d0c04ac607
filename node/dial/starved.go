package dial

import "time"

// starvedAfter is the time without an inbound link after which we also use the places kept for
// inbound peers. Otherwise a node behind a router that admits no connections would have only a
// third of its peers.
const starvedAfter = 3 * time.Minute

// began starts the time of starvedAfter.
func (p *plan) began(now time.Time) {
	if p.lastInbound.IsZero() {
		p.lastInbound = now
	}
}

// starvesIn returns the time until the node is starved if no node dials it.
func (p *plan) starvesIn(now time.Time) time.Duration {
	return p.lastInbound.Add(starvedAfter).Sub(now)
}

// starved reports whether no node has dialed us for starvedAfter.
func (p *plan) starved(now time.Time) bool { return p.starvesIn(now) <= 0 }

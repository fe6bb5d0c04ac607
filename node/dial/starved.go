package dial

import "time"

// starvedAfter is how long no node may have dialed us before we also use the places kept for
// inbound peers: behind a router that lets nothing in, a node would be left with a third of
// its peers.
const starvedAfter = 3 * time.Minute

// began starts the wait for a node that dials us.
func (p *plan) began(now time.Time) {
	if p.lastInbound.IsZero() {
		p.lastInbound = now
	}
}

// starvesIn is the time until the node is starved if no node dials it.
func (p *plan) starvesIn(now time.Time) time.Duration {
	return p.lastInbound.Add(starvedAfter).Sub(now)
}

// starved says whether no node has dialed us for starvedAfter.
func (p *plan) starved(now time.Time) bool { return p.starvesIn(now) <= 0 }

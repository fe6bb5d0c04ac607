package dial

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
)

const (
	// resolveAfter is the number of failed dials to a static node after which the dialer
	// requests the node's newest record from discovery.
	resolveAfter = 2
	// A request is repeated resolveFirst after an answer without a new address, doubling to
	// resolveLast. The first pauses are short, because a search often fails by chance: discovery
	// waits half a second for each answer, and a neighbour forgets a node that misses one ping.
	resolveFirst = 2 * time.Second
	resolveLast  = time.Hour
	// resolveTimeout is how long to wait for an answer before another request: discovery may have
	// been restarted.
	resolveTimeout = time.Minute
)

// resolving is the state of the requests for the newest record of a static node.
type resolving struct {
	misses int       // dials that failed since the last link
	next   time.Time // when to send a request; zero: not yet
	pause  time.Duration
}

// missed records that the node was not reached. nowhere says that the next place to dial has no
// address.
func (r *resolving) missed(nowhere bool, now time.Time) {
	r.misses++
	if r.misses == resolveAfter || r.misses < resolveAfter && nowhere {
		r.next = now
	}
}

// answered records the answer to a request.
func (r *resolving) answered(now time.Time) {
	if !r.next.IsZero() {
		r.pause = min(max(2*r.pause, resolveFirst), resolveLast)
		r.next = now.Add(r.pause)
	}
}

// seeks returns the node whose newest record to request, nil if there is none to request. It
// is nil if the target has only DNS names, which are looked up at each dial.
func (t *target) seeks() *enode.Node {
	i := slices.IndexFunc(t.places, func(n *enode.Node) bool { return n.Hostname() == "" })
	if i < 0 || t.resolving.next.IsZero() || !t.connected.IsZero() {
		return nil
	}
	return t.places[i]
}

// lost returns the static nodes whose newest record is to be requested now, and records the
// requests as sent.
func (p *plan) lost(now time.Time) []*enode.Node {
	var lost []*enode.Node
	for _, t := range p.targets {
		if n := t.seeks(); n != nil && !now.Before(t.resolving.next) {
			t.resolving.next = now.Add(resolveTimeout)
			lost = append(lost, n)
		}
	}
	return lost
}

// lostIn returns the time until lost returns a node. ok is false if no node is sought.
func (p *plan) lostIn(now time.Time) (wait time.Duration, ok bool) {
	for _, t := range p.targets {
		if t.seeks() != nil {
			if in := max(0, t.resolving.next.Sub(now)); !ok || in < wait {
				wait, ok = in, true
			}
		}
	}
	return wait, ok
}

// resolved records the answer to a request: the newest record of a static node, nil if it was
// not found. It returns true if the record has a new address, which is dialed next.
func (p *plan) resolved(id enode.ID, n *enode.Node, now time.Time) bool {
	t := p.targets[id]
	if t == nil {
		return false
	}
	t.resolving.answered(now)
	if n == nil || len(netaddr.Endpoints(n)) == 0 {
		return false
	}
	if i := t.at(n); i >= 0 {
		t.places[i] = n
		return false
	}
	known := t.found != nil && peers.PlaceName(n) == peers.PlaceName(t.found)
	if t.found = n; !known {
		t.goTo(len(t.places), now)
	}
	return !known
}

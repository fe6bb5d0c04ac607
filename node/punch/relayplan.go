package punch

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// maxChosen is how many neighbours receive HELLOs.
	maxChosen = 3
	// helloEvery keeps the NAT's bindings, which some NATs keep for no more than 30 s. helloEveryOpen is for
	// an open node, which has no bindings to keep and only shows that it is still there. Up to a tenth of
	// either is taken off at random.
	helloEvery, helloEveryOpen = 20 * time.Second, 5 * time.Minute
	// helloRetry is the time from the first failure to the next HELLO. It doubles with each failure.
	helloRetry = time.Second
	// helloMinGap is the least time between two HELLOs to one neighbour, however often the record changes.
	helloMinGap = 500 * time.Millisecond
	// maxHelloFails is after how many HELLOs without an answer a neighbour is replaced, and helloExclusion how
	// long it is not chosen again.
	maxHelloFails, helloExclusion = 3, 5 * time.Minute
	// helloValidity is how long after a HELLO a neighbour may ring this node, and how long after an answer
	// the neighbour is used as a relay.
	helloValidity = 2 * time.Minute
	// While there are too few relays, the plan looks for more every lookEarly during the first earlyPhase, in
	// which discovery fills its table, and every lookLate later.
	lookEarly, lookLate, earlyPhase = 500 * time.Millisecond, 5 * time.Second, 10 * time.Second
)

// relayPlan decides which neighbours receive HELLOs, and when. The zero value is ready.
type relayPlan struct {
	random func() float64 // in [0,1), for jitter; nil: math/rand

	chosen   []*relay // in the order in which they were chosen
	notOpen  bool     // this node is not open
	started  time.Time
	lastLook time.Time

	// Both grow by at most one neighbour for each HELLO, and entries expire.
	lastHello map[enode.ID]time.Time // when a neighbour last received one
	excluded  map[enode.ID]time.Time // until when a neighbour is not chosen again
}

// relay is a neighbour that was chosen.
type relay struct {
	node     *enode.Node
	nat      NAT
	due      time.Time // the next HELLO
	fails    int       // in a row
	answered time.Time
}

// replaceable reports whether the relay is replaced as soon as there is another neighbour.
func (r *relay) replaceable() bool { return r.fails >= maxHelloFails }

// next chooses among the neighbours, and returns those that are to receive HELLO now. notOpen is true while this
// node is not open. A chosen neighbour that leaves the table stays chosen as long as it answers.
func (p *relayPlan) next(now time.Time, neighbours []*enode.Node, notOpen bool) (hello []*enode.Node) {
	if p.started.IsZero() {
		p.started = now
		p.lastHello, p.excluded = map[enode.ID]time.Time{}, map[enode.ID]time.Time{}
	}
	if notOpen && !p.notOpen {
		p.helloAll() // the NAT has no bindings yet
	}
	p.lastLook, p.notOpen = now, notOpen
	maps.DeleteFunc(p.lastHello, func(_ enode.ID, at time.Time) bool { return now.Sub(at) > helloValidity })
	maps.DeleteFunc(p.excluded, func(_ enode.ID, until time.Time) bool { return !now.Before(until) })
	p.refresh(neighbours, now)
	p.replace(neighbours, now)
	for len(p.chosen) < maxChosen {
		n := p.pick(neighbours, nil)
		if n == nil {
			break
		}
		p.chosen = append(p.chosen, newRelay(n, now))
	}
	for _, r := range p.chosen {
		if !now.Before(r.due) && p.helloAllowed(r, now) {
			hello = append(hello, r.node)
			p.lastHello[r.node.ID()] = now
			r.due = now.Add(p.interval(r))
		}
	}
	return hello
}

// refresh adopts newer records, and drops relays whose records say that they are none any more.
func (p *relayPlan) refresh(neighbours []*enode.Node, now time.Time) {
	newest := make(map[enode.ID]*enode.Node, len(neighbours))
	for _, n := range neighbours {
		if old := newest[n.ID()]; old == nil || n.Seq() > old.Seq() {
			newest[n.ID()] = n
		}
	}
	p.chosen = slices.DeleteFunc(p.chosen, func(r *relay) bool {
		n := newest[r.node.ID()]
		if n == nil || n.Seq() <= r.node.Seq() {
			return false
		}
		nat, ok := relayable(n)
		if !ok {
			p.excluded[n.ID()] = now.Add(helloExclusion) // otherwise each change of its record would cause another HELLO
			return true
		}
		r.node, r.nat = n, nat
		return false
	})
}

// replace replaces relays that do not answer. It also replaces relays that share a network with another one, if there
// is a neighbour in a network of its own: the owner of one network must not control all relays because it was
// there first.
func (p *relayPlan) replace(neighbours []*enode.Node, now time.Time) {
	for i, r := range slices.Backward(p.chosen) {
		crowded := p.crowded(r.node, r)
		if !r.replaceable() && !crowded {
			continue
		}
		n := p.pick(neighbours, r)
		switch {
		case n == nil:
		case r.replaceable():
			p.excluded[r.node.ID()] = now.Add(helloExclusion)
			p.chosen[i] = newRelay(n, now)
		case !p.crowded(n, r):
			p.chosen[i] = newRelay(n, now)
		}
	}
}

// pick returns the best of the neighbours that are not chosen yet, or nil. If instead is not nil,
// the neighbour is to take the place of that relay. A neighbour in a network of its own comes before others, then one that is open, then the first.
func (p *relayPlan) pick(neighbours []*enode.Node, instead *relay) (best *enode.Node) {
	most := -1
	for _, n := range neighbours {
		nat, ok := relayable(n)
		if _, resting := p.excluded[n.ID()]; !ok || resting || p.has(n.ID()) {
			continue
		}
		score := 0
		if !p.crowded(n, instead) {
			score += 2
		}
		if nat == Open {
			score++
		}
		if score > most {
			best, most = n, score
		}
	}
	return best
}

// relayable reports whether every node can reach n by UDP, as far as its record says, and its kind of NAT.
func relayable(n *enode.Node) (NAT, bool) {
	nat, takes := Takes(n)
	_, ok := n.UDPEndpoint()
	return nat, ok && takes && nat <= Open
}

func newRelay(n *enode.Node, now time.Time) *relay {
	nat, _ := Takes(n)
	return &relay{node: n, nat: nat, due: now}
}

// crowded reports whether a node shares its network with a relay other than except. Private addresses share none.
func (p *relayPlan) crowded(n *enode.Node, except *relay) bool {
	ip := n.IPAddr()
	if netaddr.Private(ip) {
		return false
	}
	return slices.ContainsFunc(p.chosen, func(r *relay) bool {
		return r != except && netaddr.Network(r.node.IPAddr()) == netaddr.Network(ip)
	})
}

// helloAllowed reports whether the last HELLO to a relay is long enough ago.
func (p *relayPlan) helloAllowed(r *relay, now time.Time) bool {
	at, ok := p.lastHello[r.node.ID()]
	return !ok || now.Sub(at) >= helloMinGap
}

// interval returns the time until the HELLO after this one.
func (p *relayPlan) interval(r *relay) time.Duration {
	every := helloEvery
	if !p.notOpen && r.fails == 0 {
		every = helloEveryOpen
	}
	random := p.random
	if random == nil {
		random = rand.Float64
	}
	return every - time.Duration(random()*float64(every)/10)
}

func (p *relayPlan) has(id enode.ID) bool { return p.find(id) != nil }

func (p *relayPlan) find(id enode.ID) *relay {
	for _, r := range p.chosen {
		if r.node.ID() == id {
			return r
		}
	}
	return nil
}

// helloAll makes all HELLOs due at once, because the record has changed.
func (p *relayPlan) helloAll() {
	for _, r := range p.chosen {
		r.due = time.Time{}
	}
}

// answered records that a neighbour answered a HELLO.
func (p *relayPlan) answered(id enode.ID, now time.Time) {
	if r := p.find(id); r != nil {
		r.answered, r.fails = now, 0
	}
}

// failed records that a neighbour did not answer a HELLO. The next HELLO is due soon, because a datagram may have been lost.
func (p *relayPlan) failed(id enode.ID, now time.Time) {
	r := p.find(id)
	if r == nil {
		return
	}
	again := helloEvery
	if r.fails++; !r.replaceable() {
		again = helloRetry << (r.fails - 1)
	}
	if at := now.Add(again); at.Before(r.due) {
		r.due = at
	}
}

// relays returns the relays that answered lately, the best first: those without a failure since, then those that are
// open, then those chosen first.
func (p *relayPlan) relays(now time.Time) []*enode.Node {
	holds := helloValidity
	if !p.notOpen {
		holds += helloEveryOpen // because HELLOs are as rare as that
	}
	var good []*relay
	for _, r := range p.chosen {
		if !r.answered.IsZero() && now.Sub(r.answered) <= holds {
			good = append(good, r)
		}
	}
	slices.SortStableFunc(good, func(a, b *relay) int {
		if (a.fails == 0) != (b.fails == 0) {
			return a.fails - b.fails
		}
		return int(b.nat) - int(a.nat) // Open is greater than Unknown
	})
	nodes := make([]*enode.Node, len(good))
	for i, r := range good {
		nodes[i] = r.node
	}
	return nodes
}

// chose reports whether a neighbour received a HELLO lately. RINGs from all other nodes are refused.
func (p *relayPlan) chose(id enode.ID, now time.Time) bool { return p.choices()(id, now) }

// choices returns chose with a copy of the current state, for use in other goroutines.
func (p *relayPlan) choices() func(id enode.ID, now time.Time) bool {
	last := maps.Clone(p.lastHello)
	return func(id enode.ID, now time.Time) bool {
		at, ok := last[id]
		return ok && now.Sub(at) <= helloValidity
	}
}

// wait returns the time until next has something to do. It is never zero right after next.
func (p *relayPlan) wait(now time.Time) time.Duration {
	if p.started.IsZero() {
		return 0
	}
	at := p.lastLook.Add(helloEveryOpen)
	healthy := 0
	for _, r := range p.chosen {
		due := r.due
		if last, ok := p.lastHello[r.node.ID()]; ok && due.Before(last.Add(helloMinGap)) {
			due = last.Add(helloMinGap)
		}
		if due.Before(at) {
			at = due
		}
		if !r.replaceable() {
			healthy++
		}
	}
	if healthy < maxChosen {
		look := lookLate
		if now.Sub(p.started) < earlyPhase {
			look = lookEarly
		}
		if again := p.lastLook.Add(look); again.Before(at) {
			at = again
		}
	}
	return max(0, at.Sub(now))
}

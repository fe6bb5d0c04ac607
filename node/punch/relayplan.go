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
	// planSize is how many neighbours are told where we are.
	maxChosen = 3
	// helloEvery keeps our NAT's bindings, the shortest of which live 30 s, and openEvery
	// tells that we are still there where there are none to keep. Up to a tenth of either is
	// taken off at random.
	helloEvery, helloEveryOpen = 20 * time.Second, 5 * time.Minute
	// helloAgain is how long after the first failure the next HELLO goes out; then it doubles.
	helloRetry = time.Second
	// helloLeast is the least between two HELLOs to one neighbour, however often our record changes.
	helloMinGap = 500 * time.Millisecond
	// helloFails is how many HELLOs in vain have a neighbour replaced, and helloRest for how
	// long it is not taken again.
	maxHelloFails, helloExclusion = 3, 5 * time.Minute
	// helloHolds is how long a neighbour that we said HELLO to may ring us, and a neighbour
	// that answered is one to call through.
	helloValidity = 2 * time.Minute
	// While there are too few relays, neighbours are looked through every lookEarly for the
	// first early, in which discovery fills its table, and every lookLate then.
	lookEarly, lookLate, earlyPhase = 500 * time.Millisecond, 5 * time.Second, 10 * time.Second
)

// relayPlan says which neighbours to tell where we are, and when. The zero value is ready.
type relayPlan struct {
	random func() float64 // from [0,1), for jitter; nil: math/rand

	chosen   []*relay // in the order in which they were chosen
	notOpen  bool     // we are not open
	started  time.Time
	lastLook time.Time

	// Both grow by a neighbour for each HELLO at most, and forget.
	lastHello map[enode.ID]time.Time // when we last said HELLO
	excluded  map[enode.ID]time.Time // until when a neighbour is not taken again
}

// relay is a neighbour that was chosen.
type relay struct {
	node     *enode.Node
	nat      NAT
	due      time.Time // the next HELLO
	fails    int       // in a row
	answered time.Time
}

// lost is true for one that is replaced as soon as there is another.
func (r *relay) replaceable() bool { return r.fails >= maxHelloFails }

// next chooses among the neighbours, and gives those to whom HELLO is to be said now. eager is
// true while we are not open. A neighbour that was chosen stays so when it is no longer
// among the neighbours, as long as it answers.
func (p *relayPlan) next(now time.Time, neighbours []*enode.Node, eager bool) (hello []*enode.Node) {
	if p.started.IsZero() {
		p.started = now
		p.lastHello, p.excluded = map[enode.ID]time.Time{}, map[enode.ID]time.Time{}
	}
	if eager && !p.notOpen {
		p.helloAll() // the bindings that we need from now on are not there
	}
	p.lastLook, p.notOpen = now, eager
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

// refresh takes up newer records, and drops who says in his that he is no relay.
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
			p.excluded[n.ID()] = now.Add(helloExclusion) // or by a record that changes all the time it would get as many HELLOs
			return true
		}
		r.node, r.nat = n, nat
		return false
	})
}

// replace puts others in the place of those that don't answer, and of those that are in one
// network with another if there is one in a network of its own: who has a network and was
// there first is not to be all that we have.
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

// pick gives the best of the neighbours that can still be chosen, in the place of instead if that is
// not nil: one in a network of its own before others, then one that is open, then the first.
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

// relayable says whether a node can be reached by all, for what its record says.
func relayable(n *enode.Node) (NAT, bool) {
	nat, takes := Takes(n)
	_, ok := n.UDPEndpoint()
	return nat, ok && takes && nat <= Open
}

func newRelay(n *enode.Node, now time.Time) *relay {
	nat, _ := Takes(n)
	return &relay{node: n, nat: nat, due: now}
}

// crowded is true for a node that is in one network with a relay other than except.
func (p *relayPlan) crowded(n *enode.Node, except *relay) bool {
	ip := n.IPAddr()
	if netaddr.Private(ip) {
		return false
	}
	return slices.ContainsFunc(p.chosen, func(r *relay) bool {
		return r != except && netaddr.Network(r.node.IPAddr()) == netaddr.Network(ip)
	})
}

// rested is true unless the neighbour has just been told.
func (p *relayPlan) helloAllowed(r *relay, now time.Time) bool {
	at, ok := p.lastHello[r.node.ID()]
	return !ok || now.Sub(at) >= helloMinGap
}

// interval is the time until the HELLO after this one.
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

// renewed has all told at once: our record is another.
func (p *relayPlan) helloAll() {
	for _, r := range p.chosen {
		r.due = time.Time{}
	}
}

// answered takes in that a neighbour answered a HELLO.
func (p *relayPlan) answered(id enode.ID, now time.Time) {
	if r := p.find(id); r != nil {
		r.answered, r.fails = now, 0
	}
}

// failed takes in that it didn't. It is asked again soon, as one datagram may be lost.
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

// relays gives those to call through, the best first: those that answered of late and didn't
// fail since, then those that are open, then those chosen first.
func (p *relayPlan) relays(now time.Time) []*enode.Node {
	holds := helloValidity
	if !p.notOpen {
		holds += helloEveryOpen // as they are not asked more often
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
		return int(b.nat) - int(a.nat) // open is more than unknown
	})
	nodes := make([]*enode.Node, len(good))
	for i, r := range good {
		nodes[i] = r.node
	}
	return nodes
}

// chose says whether we said HELLO to a neighbour of late. Who rings us and is none of those
// is not heeded.
func (p *relayPlan) chose(id enode.ID, now time.Time) bool { return p.choices()(id, now) }

// choices is chose for other goroutines, as things stand.
func (p *relayPlan) choices() func(id enode.ID, now time.Time) bool {
	told := maps.Clone(p.lastHello)
	return func(id enode.ID, now time.Time) bool {
		at, ok := told[id]
		return ok && now.Sub(at) <= helloValidity
	}
}

// wait is the time until next has something to do. After next it is never zero.
func (p *relayPlan) wait(now time.Time) time.Duration {
	if p.started.IsZero() {
		return 0
	}
	at := p.lastLook.Add(helloEveryOpen)
	healthy := 0
	for _, r := range p.chosen {
		due := r.due
		if told, ok := p.lastHello[r.node.ID()]; ok && due.Before(told.Add(helloMinGap)) {
			due = told.Add(helloMinGap)
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

package node

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	redialMin = time.Second
	redialMax = time.Minute
)

// dialPlan says which static nodes to dial when. It is a plain value: what comes next
// follows from what happened and the time.
type dialPlan struct {
	// maxActive is how many dials may be under way at once.
	maxActive int
	// jitter gives a number in [0, 1), so that nodes that lost each other at the same
	// moment don't dial at the same moment for ever.
	jitter func() float64

	targets map[enode.ID]*target
	active  int
	tickets uint64
}

// target is one static node.
type target struct {
	node      *enode.Node
	ticket    uint64    // of the dial under way; 0: none
	failures  int       // without a healthy link between them
	due       time.Time // when to dial next
	connected time.Time // since when there is a link; zero: none
}

// dial is one attempt. The ticket tells it from an earlier one to the same node whose
// end is still to come.
type dial struct {
	node   *enode.Node
	ticket uint64
}

func newDialPlan(maxActive int, jitter func() float64) *dialPlan {
	return &dialPlan{maxActive: maxActive, jitter: jitter, targets: map[enode.ID]*target{}}
}

// add takes in a node to be dialed at once. One that is there already keeps its state,
// its address is replaced. connected tells that a link exists.
func (p *dialPlan) add(n *enode.Node, connected bool, now time.Time) {
	t := p.targets[n.ID()]
	if t == nil {
		t = &target{due: now}
		p.targets[n.ID()] = t
	}
	t.node = n
	if connected && t.connected.IsZero() {
		t.connected = now
	}
}

// remove forgets a node and gives the ticket of its dial if one is under way.
func (p *dialPlan) remove(id enode.ID) (ticket uint64) {
	t := p.targets[id]
	if t == nil {
		return 0
	}
	if t.ticket != 0 {
		p.active--
	}
	delete(p.targets, id)
	return t.ticket
}

// start gives the dials that are due, the longest due first, and takes them as started.
func (p *dialPlan) start(now time.Time) []dial {
	var due []*target
	for _, t := range p.targets {
		if t.idle() && !t.due.After(now) {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b *target) int { return a.due.Compare(b.due) })
	due = due[:min(len(due), p.maxActive-p.active)]
	dials := make([]dial, len(due))
	for i, t := range due {
		p.tickets++
		p.active++
		t.ticket = p.tickets
		dials[i] = dial{t.node, t.ticket}
	}
	return dials
}

// wait says how long until the next dial is due; false if nothing is, or if the end of
// another dial must come first.
func (p *dialPlan) wait(now time.Time) (time.Duration, bool) {
	if p.active >= p.maxActive {
		return 0, false
	}
	var next time.Time
	for _, t := range p.targets {
		if t.idle() && (next.IsZero() || t.due.Before(next)) {
			next = t.due
		}
	}
	if next.IsZero() {
		return 0, false
	}
	return max(next.Sub(now), 0), true
}

// ended takes the end of a dial. If it succeeded, linked tells of the link, before or
// after.
func (p *dialPlan) ended(id enode.ID, ticket uint64, ok bool, now time.Time) {
	t := p.targets[id]
	if t == nil || t.ticket != ticket {
		return
	}
	t.ticket = 0
	p.active--
	switch {
	case ok:
		t.due = now.Add(redialMin)
	case t.connected.IsZero():
		p.postpone(t, now)
	}
}

// linked takes the news that there is a link to a node, whoever dialed.
func (p *dialPlan) linked(id enode.ID, now time.Time) {
	if t := p.targets[id]; t != nil {
		t.connected = now
	}
}

// unlinked takes the end of a link. One that lived for redialMax was healthy, and the
// node's failures are forgotten; one that ended right away was a failure of its own.
func (p *dialPlan) unlinked(id enode.ID, now time.Time) {
	t := p.targets[id]
	if t == nil || t.connected.IsZero() {
		return
	}
	if now.Sub(t.connected) >= redialMax {
		t.failures = 0
	}
	t.connected = time.Time{}
	p.postpone(t, now)
}

// postpone doubles the wait with each failure, up to redialMax, less up to a fifth.
func (p *dialPlan) postpone(t *target, now time.Time) {
	d := redialMin
	for range t.failures {
		if d *= 2; d >= redialMax {
			d = redialMax
			break
		}
	}
	t.failures++
	t.due = now.Add(d - time.Duration(p.jitter()*float64(d/5)))
}

func (t *target) idle() bool { return t.ticket == 0 && t.connected.IsZero() }

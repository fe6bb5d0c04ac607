package node

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	redialMin = time.Second
	redialMax = time.Minute
)

// dialPlan says what to dial when: static nodes until there is a link, and candidates (see
// dialPool) while there is room. It is a plain value: what comes next follows from what
// happened and the time.
type dialPlan struct {
	dialPool
	// maxActive is how many dials may be under way at once. A quarter of them is kept for
	// static nodes.
	maxActive int
	// jitter gives a number in [0, 1), so that nodes that lost each other at the same
	// moment don't dial at the same moment for ever.
	jitter func() float64

	pace    pace
	targets map[enode.ID]*target
	// lastInbound is when a node last dialed us, or when the plan began.
	lastInbound time.Time
	active      map[uint64]*dialing // by ticket
	dynamic     int                 // how many of active are
	tickets     uint64
	stats       dialStats
}

// target is one static node.
type target struct {
	node *enode.Node // as configured
	// found is its record by those who know it, and elsewhere says that it is its turn: what
	// the operator wrote may be out of date, and what a node says of itself may be wrong.
	found     *enode.Node
	elsewhere bool
	search    search
	ticket    uint64    // of the dial under way; 0: none
	failures  int       // without a healthy link between them
	due       time.Time // when to dial next
	connected time.Time // since when there is a link; zero: none
}

// dialing is a dial under way.
type dialing struct {
	id        enode.ID
	endpoints []netip.AddrPort // none for a node with a DNS name
	dynamic   bool
}

// dial is one attempt. The ticket tells it from an earlier one to the same node whose
// end is still to come.
type dial struct {
	node   *enode.Node
	ticket uint64
}

func newDialPlan(maxActive, perSecond int, jitter func() float64) *dialPlan {
	p := &dialPlan{
		maxActive: maxActive, jitter: jitter, pace: pace{perSecond: perSecond},
		targets: map[enode.ID]*target{}, active: map[uint64]*dialing{},
	}
	p.refuse = func(caller) error { return nil }
	return p
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
	delete(p.active, t.ticket)
	delete(p.targets, id)
	return t.ticket
}

// start gives what is to be dialed now, and takes it as started: the static nodes that are
// due, the longest due first, then candidates while fewer than free are under way.
func (p *dialPlan) start(now time.Time, free int) []dial {
	var dials []dial
	for _, t := range p.due(now) {
		if !p.mayStart(now) {
			return dials
		}
		n := t.where()
		if endpoints := dialedAt(n); !p.busy(endpoints) {
			t.ticket = p.begin(&dialing{id: n.ID(), endpoints: endpoints}, now)
			dials = append(dials, dial{n, t.ticket})
		}
	}
	for p.mayDialCandidate(free) && p.mayStart(now) {
		c := p.takeCandidate()
		n, err := c.node, p.whyNot(c.node, now)
		if err == nil && now.Sub(c.since) > candidateAge {
			err = errStale
		}
		if err != nil {
			p.stats.passOver(err)
			continue
		}
		ticket := p.begin(&dialing{id: n.ID(), endpoints: dialedAt(n), dynamic: true}, now)
		p.dynamic++
		dials = append(dials, dial{n, ticket})
	}
	return dials
}

// due lists the static nodes to dial by now, the longest due first.
func (p *dialPlan) due(now time.Time) []*target {
	var due []*target
	for _, t := range p.targets {
		if t.idle() && !t.due.After(now) {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b *target) int { return a.due.Compare(b.due) })
	return due
}

func (p *dialPlan) mayStart(now time.Time) bool {
	return len(p.active) < p.maxActive && p.pace.wait(now) == 0
}

func (p *dialPlan) mayDialCandidate(free int) bool {
	return len(p.pool) > 0 && p.dynamic < min(free, p.maxActive-p.maxActive/4)
}

// busy says whether a dial to one of these endpoints is under way.
func (p *dialPlan) busy(endpoints []netip.AddrPort) bool {
	for _, d := range p.active {
		if slices.ContainsFunc(endpoints, func(at netip.AddrPort) bool { return slices.Contains(d.endpoints, at) }) {
			return true
		}
	}
	return false
}

func (p *dialPlan) begin(d *dialing, now time.Time) (ticket uint64) {
	p.pace.begin(now)
	p.stats.dialed++
	p.tickets++
	p.active[p.tickets] = d
	return p.tickets
}

// dialedAt lists the endpoints that a dial to a node takes up. Where a DNS name leads is
// known only when it is looked up.
func dialedAt(n *enode.Node) []netip.AddrPort {
	if n.Hostname() != "" {
		return nil
	}
	return netaddr.Endpoints(n)
}

// wait says how long until something can be dialed, with free as for start; false if
// nothing is waiting, or if the end of another dial must come first.
func (p *dialPlan) wait(now time.Time, free int) (time.Duration, bool) {
	if len(p.active) >= p.maxActive {
		return 0, false
	}
	next, found := now, p.mayDialCandidate(free)
	for _, t := range p.targets {
		if t.idle() && (!found || t.due.Before(next)) && !p.busy(dialedAt(t.where())) {
			next, found = t.due, true
		}
	}
	if !found {
		return 0, false
	}
	return max(next.Sub(now), p.pace.wait(now)), true
}

// ended takes the end of a dial. If it succeeded, linked tells of the link, before or
// after.
func (p *dialPlan) ended(ticket uint64, cause dialCause, now time.Time) {
	d := p.active[ticket]
	if d == nil {
		return
	}
	delete(p.active, ticket)
	p.stats.ended(cause)
	if d.dynamic {
		p.dynamic--
		p.history.note(d.id, d.endpoints, cause, p.jitter(), now)
		return
	}
	t := p.targets[d.id]
	t.ticket = 0
	switch {
	case cause == causeNone:
		t.due = now.Add(redialMin)
	case t.connected.IsZero():
		if cause == causeUnreachable || cause == causeHandshake {
			t.missed(now)
		}
		p.postpone(t, cause, now)
	}
}

// linked takes the news that there is a link to a node, whoever dialed.
func (p *dialPlan) linked(id enode.ID, inbound bool, now time.Time) {
	if inbound {
		p.lastInbound = now
	}
	if t := p.targets[id]; t != nil {
		t.connected, t.search = now, search{}
	}
}

// unlinked takes the end of a link. One that lived for redialMax was healthy, and the
// node's failures are forgotten; one that ended right away was a failure of its own.
func (p *dialPlan) unlinked(end *linkDown, now time.Time) {
	if !end.inbound {
		p.stats.ended(end.cause)
	}
	t := p.targets[end.id]
	if t == nil {
		// Of those that dialed us there may be any number, so that they would crowd out the
		// others.
		if !end.inbound || p.history.has(end.id) {
			p.history.parted(end, p.jitter(), now)
		}
		return
	}
	if t.connected.IsZero() {
		return
	}
	if now.Sub(t.connected) >= redialMax {
		t.failures = 0
	}
	t.connected = time.Time{}
	p.postpone(t, end.cause, now)
}

// postpone lets a static node rest, for longer with each failure.
func (p *dialPlan) postpone(t *target, cause dialCause, now time.Time) {
	t.due = now.Add(staticPauses[cause].after(t.failures, p.jitter()))
	t.failures++
}

func (t *target) idle() bool { return t.ticket == 0 && t.connected.IsZero() }

package dial

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
)

const (
	redialMin = time.Second
	redialMax = time.Minute
)

// plan decides what to dial, and when: static nodes until there is a link, and candidates (see
// pool) while there is room. It is a plain value: its decisions depend only on the recorded
// events and the time. Only stats may be read from other goroutines.
type plan struct {
	pool
	// maxActive limits the dials in progress. A quarter of them is kept for static nodes.
	maxActive int
	// jitter returns numbers in [0, 1), so that two nodes that lost their link at the same
	// moment do not dial each other at the same moments for ever.
	jitter func() float64

	rate    rate
	targets map[enode.ID]*target
	// lastInbound is when a node last dialed us, or when the plan began.
	lastInbound time.Time
	active      map[uint64]*dialing // by ticket
	dynamic     int                 // how many of active are dials to dynamic nodes
	tickets     uint64
	stats       stats
}

// dialing is a dial in progress.
type dialing struct {
	id        enode.ID
	endpoints []netip.AddrPort // none for a node with a DNS name
	dynamic   bool
	begun     time.Time
	cancelled bool // see hung
}

// dial is one attempt. The ticket distinguishes it from an earlier dial to the same node that
// has not ended.
type dial struct {
	node   *enode.Node
	ticket uint64
	static bool
}

func newPlan(maxActive, perSecond int, jitter func() float64) *plan {
	p := &plan{
		maxActive: maxActive, jitter: jitter, rate: rate{perSecond: perSecond},
		targets: map[enode.ID]*target{}, active: map[uint64]*dialing{},
	}
	p.refuse = func(peers.Remote) error { return nil }
	return p
}

// remove forgets a static node. It returns the ticket of the dial in progress, 0 if there is
// none.
func (p *plan) remove(id enode.ID) (ticket uint64) {
	t := p.targets[id]
	if t == nil {
		return 0
	}
	delete(p.active, t.ticket)
	delete(p.targets, id)
	return t.ticket
}

// start returns the dials to begin now, and records them as begun: first the static nodes that
// are due, the longest due first, then candidates while fewer than free are being dialed.
func (p *plan) start(now time.Time, free int) []dial {
	var dials []dial
	for _, t := range p.due(now) {
		if !p.mayStart(now) {
			return dials
		}
		n := t.where()
		if endpoints := dialedAt(n); !p.busy(endpoints) {
			t.ticket, t.tried = p.begin(&dialing{id: n.ID(), endpoints: endpoints}, now), true
			dials = append(dials, dial{n, t.ticket, true})
		}
	}
	for p.mayDialCandidate(free) && p.mayStart(now) {
		c := p.takeCandidate()
		n, err := c.node, p.check(c.node, now)
		if err == nil && now.Sub(c.since) > candidateAge {
			err = errStale
		}
		if err != nil {
			p.stats.skip(err)
			continue
		}
		ticket := p.begin(&dialing{id: n.ID(), endpoints: dialedAt(n), dynamic: true}, now)
		p.dynamic++
		dials = append(dials, dial{n, ticket, false})
	}
	return dials
}

// due lists the static nodes that are due, the longest due first.
func (p *plan) due(now time.Time) []*target {
	var due []*target
	for _, t := range p.targets {
		if t.idle() && !t.due.After(now) {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b *target) int { return a.due.Compare(b.due) })
	return due
}

func (p *plan) mayStart(now time.Time) bool {
	return len(p.active) < p.maxActive && p.rate.wait(now) == 0
}

func (p *plan) mayDialCandidate(free int) bool {
	return len(p.waiting) > 0 && p.dynamic < min(free, p.maxActive-p.maxActive/4)
}

// busy reports whether a dial to one of these endpoints is in progress.
func (p *plan) busy(endpoints []netip.AddrPort) bool {
	for _, d := range p.active {
		if slices.ContainsFunc(endpoints, func(at netip.AddrPort) bool { return slices.Contains(d.endpoints, at) }) {
			return true
		}
	}
	return false
}

func (p *plan) begin(d *dialing, now time.Time) (ticket uint64) {
	p.rate.begin(now)
	p.stats.addDialed()
	p.tickets++
	d.begun = now
	p.active[p.tickets] = d
	return p.tickets
}

// dialedAt lists the endpoints that a dial to a node occupies. There are none for a node with a
// DNS name, which is looked up later.
func dialedAt(n *enode.Node) []netip.AddrPort {
	if n.Hostname() != "" {
		return nil
	}
	return netaddr.Endpoints(n)
}

// wait returns the time until something can be dialed, with free as for start. ok is false
// if nothing waits, or another dial must end first.
func (p *plan) wait(now time.Time, free int) (d time.Duration, ok bool) {
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
	return max(next.Sub(now), p.rate.wait(now)), true
}

// ended records the end of a dial. linked records the link of a successful dial, before or
// after.
func (p *plan) ended(ticket uint64, o outcome, now time.Time) {
	d := p.active[ticket]
	if d == nil {
		return
	}
	delete(p.active, ticket)
	p.stats.ended(o)
	if d.dynamic {
		p.dynamic--
		p.history.note(d.id, d.endpoints, o, p.jitter(), now)
		return
	}
	t := p.targets[d.id]
	t.ticket = 0
	switch {
	case o == outcomeLinked, !t.connected.IsZero():
		// The end of the link decides when to dial next, and may have come before.
	case t.fresh:
		t.fresh, t.due = false, now
	case (o == outcomeUnreachable || o == outcomeHandshake) && !t.miss(now):
		t.due = now // at the next place
	default:
		p.postpone(t, o, now)
	}
}

// linked records a new link to a node. inbound says that the node dialed us.
func (p *plan) linked(id enode.ID, inbound bool, now time.Time) {
	if inbound {
		p.lastInbound = now
	}
	if t := p.targets[id]; t != nil {
		t.connected, t.tried, t.resolving = now, true, resolving{}
		t.missed, t.fresh = 0, false
	}
}

// unlinked records the end of a link. After a link of at least redialMax the node's earlier
// failures are forgotten; a shorter link counts as a failure.
func (p *plan) unlinked(end *peers.LinkDown, now time.Time) {
	o := outcomeOfLink(end.Cause)
	if !end.Inbound {
		p.stats.ended(o)
	}
	t := p.targets[end.ID]
	if end.Excused {
		p.excused(end, t, now)
		return
	}
	if t == nil {
		// Any number of nodes may dial us. If all were remembered, they would displace the
		// nodes that we dialed.
		if !end.Inbound || p.history.has(end.ID) {
			p.history.parted(end, o, p.jitter(), now)
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
	p.postpone(t, o, now)
}

// postpone sets when a static node is dialed next: later with each failure.
func (p *plan) postpone(t *target, o outcome, now time.Time) {
	t.due = now.Add(staticPauses[o].after(t.failures, p.jitter()))
	t.failures++
}

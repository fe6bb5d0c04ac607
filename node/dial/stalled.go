package dial

import (
	"time"

	"github.com/troupe-p2p/troupe/node/peers"
)

// This file is what the plan does after this node did not run for a time: the process was stopped,
// or the machine suspended. What ended or failed because of that is no failure of the remote.

// resumed makes the static nodes without a link due: the network may be another one, and remotes
// have hung up.
func (p *plan) resumed(now time.Time) {
	for _, t := range p.targets {
		if t.idle() && t.due.After(now) {
			t.due = now
		}
	}
}

// excused records the end of a link whose remote hung up because this node did not run. The remote
// is dialed again at once. t is the remote as a static node, nil if it is none.
func (p *plan) excused(end *peers.LinkDown, t *target, now time.Time) {
	if t != nil {
		t.connected, t.due = time.Time{}, now
		return
	}
	delete(p.history.nodes, end.ID)
	if end.Again != nil {
		_ = p.offer(end.Again, now) // the stats have the reason if it is not dialed
	}
}

// excuse records the end of a dial during which this node did not run. It says nothing of the
// remote. A static node is dialed again soon, another one when a source finds it again.
func (p *plan) excuse(ticket uint64, o outcome, now time.Time) {
	d := p.active[ticket]
	if d == nil || o == outcomeLinked {
		p.ended(ticket, o, now)
		return
	}
	delete(p.active, ticket)
	p.stats.ended(o)
	if d.dynamic {
		p.dynamic--
		return
	}
	t := p.targets[d.id]
	t.ticket, t.due = 0, now.Add(redialMin)
}

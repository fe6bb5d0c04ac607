package dial

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/peers"
)

// hangTime is how long the dial to a static node goes on when the node has a new address that
// waits for its end. It is enough for a remote that answers.
const hangTime = time.Second

// target is one static node.
type target struct {
	// places are the node at each of its configured addresses, in the order in which they came:
	// at least one, and at most peers.MaxPlaces. found is the node's newest record from
	// discovery, if it has another address; nil: there is none. All are dialed in turn: an
	// operator's address may be out of date, and the record that a node signs may be wrong.
	places []*enode.Node
	found  *enode.Node
	turn   int // the index in all() of the place to dial next
	missed int // dials since the last pause that did not reach the node
	tried  bool
	// fresh says that the address to dial next came while another one was being dialed.
	fresh bool

	resolving resolving
	ticket    uint64    // of the dial in progress; 0: none
	failures  int       // since the last link of at least redialMax
	due       time.Time // when to dial next
	connected time.Time // the start of the link; zero: no link
}

func (t *target) idle() bool { return t.ticket == 0 && t.connected.IsZero() }

// all lists the places to dial in turn.
func (t *target) all() []*enode.Node {
	if t.found == nil {
		return t.places
	}
	return append(slices.Clip(t.places), t.found)
}

// where returns the node at the place to dial next.
func (t *target) where() *enode.Node { return t.all()[t.turn] }

// at returns the index of the place that n names, or -1 if it is none of the target's places.
func (t *target) at(n *enode.Node) int {
	name := peers.PlaceName(n)
	return slices.IndexFunc(t.places, func(p *enode.Node) bool { return peers.PlaceName(p) == name })
}

// place adds a configured place. It replaces an earlier node at the same place, because the new
// one may be a newer record. Beyond the limit the oldest place is dropped.
func (t *target) place(n *enode.Node) (index int, added bool) {
	if i := t.at(n); i >= 0 {
		t.places[i] = n
		return i, false
	}
	if len(t.places) == peers.MaxPlaces {
		t.places = slices.Delete(t.places, 0, 1)
	}
	t.places = append(t.places, n)
	return len(t.places) - 1, true
}

// goTo makes a new place the next to dial, at once, or when the dial in progress ends (see hung).
func (t *target) goTo(index int, now time.Time) {
	t.turn, t.missed = index, 0
	if t.connected.IsZero() {
		t.due, t.fresh = now, t.ticket != 0
	}
}

// miss records that a dial did not reach the node, and passes the turn to the next place. It
// returns true if all places were dialed since the last pause.
func (t *target) miss(now time.Time) (all bool) {
	places := len(t.all())
	t.turn = (t.turn + 1) % places
	if t.missed++; t.missed >= places {
		t.missed, all = 0, true
	}
	t.resolving.missed(len(dialedAt(t.where())) == 0, now)
	return all
}

// add adds a static node, to be dialed at once. A node that was added before keeps its state,
// and an address that it did not have is one more place to dial, the next one. connected says
// that a link exists.
func (p *plan) add(n *enode.Node, connected bool, now time.Time) {
	t, known := p.targets[n.ID()]
	if !known {
		t = &target{due: now}
		p.targets[n.ID()] = t
	}
	if i, added := t.place(n); added && t.tried {
		t.goTo(i, now)
	}
	if connected && t.connected.IsZero() {
		t.connected = now
	}
}

// hung returns the tickets of the dials that must end now: they have lasted for hangTime, and
// their node has a new address. It returns each ticket once.
func (p *plan) hung(now time.Time) (tickets []uint64) {
	for ticket, d := range p.active {
		if p.delays(d) && now.Sub(d.begun) >= hangTime {
			d.cancelled = true
			tickets = append(tickets, ticket)
		}
	}
	return tickets
}

// hangsIn returns the time until hung returns a ticket. ok is false if it never will.
func (p *plan) hangsIn(now time.Time) (wait time.Duration, ok bool) {
	for _, d := range p.active {
		if p.delays(d) {
			if in := max(0, d.begun.Add(hangTime).Sub(now)); !ok || in < wait {
				wait, ok = in, true
			}
		}
	}
	return wait, ok
}

// delays reports whether a dial delays that to the node's new address.
func (p *plan) delays(d *dialing) bool {
	return !d.dynamic && !d.cancelled && p.targets[d.id].fresh
}

package peers

import (
	"net/netip"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/offer"
)

// Table has the links, the connections that are being set up, and the rules of admission.
// Its methods are safe from any goroutine. Only the peers actor adds and removes links. The
// table outlives a crash of that actor.
type Table struct {
	self   enode.ID
	limits Limits
	// banned returns an error for a node or address that is banned. Nil: there are no bans.
	banned func(id enode.ID, addr netip.Addr) error

	mu      sync.RWMutex
	members map[enode.ID]*Member
	pending map[enode.ID]*pending
	known   map[enode.ID]*Known
	counts  counts
	shares  shares
	state   State
	closed  bool

	arriving arriving
}

// Member is one link.
type Member struct {
	Remote
	Link    *actors.Link
	Offer   *offer.Offer // with which the link was made
	Punched bool         // the link was made by hole punching
}

// State is the number of peers, and the table's counters since the node was made. The counters
// only grow.
type State struct {
	Peers, Inbound int // now

	Linked  uint64 // links that came up
	Ended   uint64 // links that ended
	Refused uint64 // dynamic nodes refused for lack of room
	Evicted uint64 // peers evicted to make room for others
}

// NewTable makes an empty table for the node self. banned may be nil.
func NewTable(self enode.ID, l Limits, banned func(id enode.ID, addr netip.Addr) error) *Table {
	return &Table{
		self: self, limits: l, banned: banned,
		members: map[enode.ID]*Member{},
		pending: map[enode.ID]*pending{},
		known:   map[enode.ID]*Known{},
		shares:  shares{perHost: l.PerHost, perNetwork: l.PerNetwork},
	}
}

// add adds the link of a node that clear has admitted.
func (t *Table) add(m *Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.members[m.ID] = m
	t.state.Linked++
	t.count(m, 1)
}

// remove removes a link, unless a newer one has its place.
func (t *Table) remove(m *Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.members[m.ID] != m {
		return
	}
	delete(t.members, m.ID)
	t.state.Ended++
	t.count(m, -1)
}

// evicted counts an eviction.
func (t *Table) evicted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Evicted++
}

// Close refuses every node from now on.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// Closed reports whether Close was called.
func (t *Table) Closed() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.closed
}

// Member returns the link to a node, nil if there is none.
func (t *Table) Member(id enode.ID) *Member {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.members[id]
}

// Snapshot lists the links in no particular order.
func (t *Table) Snapshot() []*Member {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*Member, 0, len(t.members))
	for _, m := range t.members {
		list = append(list, m)
	}
	return list
}

// Size returns the number of links.
func (t *Table) Size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.members)
}

// State returns the counters.
func (t *Table) State() State {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.state
	s.Peers = len(t.members)
	for _, m := range t.members {
		if m.Inbound {
			s.Inbound++
		}
	}
	return s
}

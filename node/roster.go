package node

import (
	"net/netip"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/offer"
)

// roster is who is connected and who is about to be, and the rules of admission. Only
// the peers actor adds and removes members, but the roster itself outlives that actor's
// incarnations, and Node's methods read it without asking anybody.
type roster struct {
	self   enode.ID
	limits limits

	// banned says whether somebody is banned; nil: nobody is.
	banned func(id enode.ID, addr netip.Addr) error

	mu        sync.RWMutex
	members   map[enode.ID]*member
	setups    map[enode.ID]*setup
	marks     map[enode.ID]*mark
	counts    counts
	neighbour neighbourhood
	refusals  int // dynamic nodes turned away for want of room
	closed    bool
}

// member is one live link.
type member struct {
	caller
	link    *actors.Link
	offer   *offer.Offer // of which the link came
	punched bool         // through a hole
}

func newRoster(self enode.ID, l limits) *roster {
	return &roster{
		self: self, limits: l,
		members: map[enode.ID]*member{},
		setups:  map[enode.ID]*setup{},
		marks:   map[enode.ID]*mark{},

		neighbour: neighbourhood{perHost: l.perHost, perNetwork: l.perNetwork},
	}
}

// add makes a member of a node that was cleared.
func (r *roster) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.id] = m
	r.count(m, 1)
}

// leave removes a member, unless a newer one has its place.
func (r *roster) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.id] != m {
		return
	}
	delete(r.members, m.id)
	r.count(m, -1)
}

// close refuses everybody from now on.
func (r *roster) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

func (r *roster) isClosed() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.closed
}

func (r *roster) member(id enode.ID) *member {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.members[id]
}

// snapshot lists the members in no particular order.
func (r *roster) snapshot() []*member {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]*member, 0, len(r.members))
	for _, m := range r.members {
		list = append(list, m)
	}
	return list
}

// size is how many members there are.
func (r *roster) size() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.members)
}

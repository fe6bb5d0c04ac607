package node

import (
	"net/netip"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// mark is what the configuration says of a node, connected or not.
type mark struct {
	trusted, static bool
	// addrs are where the node was last known to be.
	addrs []netip.Addr
}

// protected nodes are never banned, and never make room.
func (m mark) protected() bool { return m.trusted || m.static }

func (r *roster) setTrusted(id enode.ID, yes bool) {
	r.change(id, func(m *mark) { m.trusted = yes })
}

func (r *roster) setStatic(id enode.ID, yes bool) {
	r.change(id, func(m *mark) { m.static = yes })
}

// locate notes where a static or trusted node was found to be.
func (r *roster) locate(id enode.ID, addrs []netip.Addr) {
	r.change(id, func(m *mark) { m.addrs = addrs })
}

func (r *roster) change(id enode.ID, edit func(*mark)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := r.members[id]
	if there != nil {
		r.count(there, -1)
	}
	m := r.mark(id)
	edit(&m)
	if m.protected() {
		r.marks[id] = &m
	} else {
		delete(r.marks, id)
	}
	if there != nil {
		r.count(there, 1)
	}
}

func (r *roster) mark(id enode.ID) mark {
	if m := r.marks[id]; m != nil {
		return *m
	}
	return mark{}
}

// markOf says what the configuration calls a node.
func (r *roster) markOf(id enode.ID) mark {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mark(id)
}

// knows says whether a static or trusted node was last known to be at an address.
func (r *roster) knows(addr netip.Addr) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.isAt(addr)
}

func (r *roster) isAt(addr netip.Addr) bool {
	for _, m := range r.marks {
		if slices.Contains(m.addrs, addr) {
			return true
		}
	}
	return false
}

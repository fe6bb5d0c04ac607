package peers

import (
	"net/netip"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Known says whether a node, connected or not, is static or trusted. The zero value is that of
// a dynamic node.
type Known struct {
	Trusted, Static bool
	// addrs are the last known addresses of the node.
	addrs []netip.Addr
}

// Protected reports whether the node is static or trusted. Such a node is never banned and
// never evicted.
func (k Known) Protected() bool { return k.Trusted || k.Static }

// SetTrusted makes a node trusted, or ends that.
func (t *Table) SetTrusted(id enode.ID, yes bool) {
	t.change(id, func(k *Known) { k.Trusted = yes })
}

// SetStatic makes a node static, or ends that.
func (t *Table) SetStatic(id enode.ID, yes bool) {
	t.change(id, func(k *Known) { k.Static = yes })
}

// Locate records the addresses of a static or trusted node.
func (t *Table) Locate(id enode.ID, addrs []netip.Addr) {
	t.change(id, func(k *Known) { k.addrs = addrs })
}

func (t *Table) change(id enode.ID, edit func(*Known)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.members[id]
	if m != nil {
		t.count(m, -1)
	}
	k := t.knownOf(id)
	edit(&k)
	if k.Protected() {
		t.known[id] = &k
	} else {
		delete(t.known, id)
	}
	if m != nil {
		t.count(m, 1)
	}
}

func (t *Table) knownOf(id enode.ID) Known {
	if k := t.known[id]; k != nil {
		return *k
	}
	return Known{}
}

// KnownOf returns whether a node is static or trusted.
func (t *Table) KnownOf(id enode.ID) Known {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.knownOf(id)
}

// Knows reports whether an address is a last known address of a static or trusted node.
func (t *Table) Knows(addr netip.Addr) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.isAt(addr)
}

func (t *Table) isAt(addr netip.Addr) bool {
	for _, k := range t.known {
		if slices.Contains(k.addrs, addr) {
			return true
		}
	}
	return false
}

package peers

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// Known says whether a node, connected or not, is static or trusted. The zero value is that of
// a dynamic node.
type Known struct {
	Trusted, Static bool
	places          []place
}

// MaxPlaces is how many places of a static or trusted node are remembered. Beyond it the oldest
// is forgotten.
const MaxPlaces = 8

// place is where a node is by one source: a URL, the lookup of a name, or the node's newest
// record.
type place struct {
	name  string
	addrs []netip.Addr
}

// PlaceName names the place at which a URL or a record says that a node is reached: its DNS name
// and port, or its TCP endpoints. It is empty if there is no address.
func PlaceName(n *enode.Node) string {
	if n.Hostname() != "" {
		return net.JoinHostPort(n.Hostname(), strconv.Itoa(n.TCP()))
	}
	var name []byte
	for _, at := range netaddr.Endpoints(n) {
		name = append(at.AppendTo(name), ' ')
	}
	return string(name)
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

// Locate records the addresses of a static or trusted node at one of its places, in place of the
// earlier addresses there.
func (t *Table) Locate(id enode.ID, name string, addrs []netip.Addr) {
	t.change(id, func(k *Known) {
		others := slices.DeleteFunc(slices.Clone(k.places), func(p place) bool { return p.name == name })
		if len(others) == MaxPlaces {
			others = others[1:]
		}
		k.places = append(others, place{name, addrs})
	})
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
		for _, p := range k.places {
			if slices.Contains(p.addrs, addr) {
				return true
			}
		}
	}
	return false
}

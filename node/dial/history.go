package dial

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
)

// historySize limits the nodes, and separately the places, whose last dial is remembered,
// because strangers can make up any number of candidates. Beyond it those that may be dialed
// again soonest are forgotten.
const historySize = 8192

// history records the dials to nodes that are not static, with their outcomes. It is a plain
// value.
type history struct {
	nodes  map[enode.ID]*past
	places map[place]*past
}

// past is the history of one node or place.
type past struct {
	last     outcome   // the last failure
	failures int       // consecutive failures with this outcome
	due      time.Time // no dial before this time
}

// place is an endpoint, or, with port 0, all ports of a public address.
type place netip.AddrPort

// placesOf lists the places that an endpoint belongs to.
func placesOf(at netip.AddrPort) []place {
	if netaddr.Private(at.Addr()) {
		return []place{place(at)}
	}
	return []place{place(at), place(netip.AddrPortFrom(netaddr.Host(at.Addr()).Addr(), 0))}
}

// has reports whether a node is in the history.
func (h *history) has(id enode.ID) bool { return h.nodes[id] != nil }

// recent reports whether it is too early to dial a node, or one of its endpoints.
func (h *history) recent(id enode.ID, endpoints []netip.AddrPort, now time.Time) bool {
	if p := h.nodes[id]; p != nil && now.Before(p.due) {
		return true
	}
	for _, at := range endpoints {
		for _, where := range placesOf(at) {
			if p := h.places[where]; p != nil && now.Before(p.due) {
				return true
			}
		}
	}
	return false
}

// note records the outcome of a dial or a link. An endpoint at which no node or another node
// answered is not dialed for a while, whatever the node ID.
func (h *history) note(id enode.ID, endpoints []netip.AddrPort, o outcome, jitter float64, now time.Time) {
	if h.nodes == nil {
		h.nodes, h.places = map[enode.ID]*past{}, map[place]*past{}
	}
	if o == outcomeLinked {
		h.succeeded(id, endpoints, now)
		return
	}
	fail(h.nodes, id, o, dynamicPauses[o].at(endpoints), jitter, now)
	if o != outcomeUnreachable && o != outcomeHandshake {
		return
	}
	for _, at := range endpoints {
		fail(h.places, place(at), o, dynamicPauses[o], jitter, now)
		if o == outcomeUnreachable && !netaddr.Private(at.Addr()) {
			host := place(netip.AddrPortFrom(netaddr.Host(at.Addr()).Addr(), 0))
			fail(h.places, host, o, hostPause, jitter, now)
		}
	}
}

// succeeded records a link. parted forgets the node's failures if the link lasts for redialMax.
func (h *history) succeeded(id enode.ID, endpoints []netip.AddrPort, now time.Time) {
	p := h.nodes[id]
	if p == nil {
		makeRoom(h.nodes)
		p = new(past)
		h.nodes[id] = p
	}
	if due := now.Add(dynamicPauses[outcomeLost].at(endpoints).first); due.After(p.due) {
		p.due = due // if the link has ended already, its pause may be longer
	}
	for _, at := range endpoints {
		for _, where := range placesOf(at) {
			delete(h.places, where)
		}
	}
}

// parted records that a link ended. After a link of at least redialMax the node's earlier
// failures are forgotten.
func (h *history) parted(end *peers.LinkDown, o outcome, jitter float64, now time.Time) {
	if end.Lived >= redialMax {
		delete(h.nodes, end.ID)
	}
	h.note(end.ID, []netip.AddrPort{netip.AddrPortFrom(end.Addr, 0)}, o, jitter, now)
}

func fail[K comparable](m map[K]*past, key K, o outcome, p pause, jitter float64, now time.Time) {
	was := m[key]
	if was == nil {
		makeRoom(m)
		was = new(past)
		m[key] = was
	}
	if was.last != o {
		was.last, was.failures = o, 0
	}
	was.due = now.Add(p.after(was.failures, jitter))
	was.failures++
}

// makeRoom forgets a quarter of the entries when there are too many, so that the cost of
// sorting them is rare.
func makeRoom[K comparable](m map[K]*past) {
	if len(m) < historySize {
		return
	}
	type entry struct {
		key K
		due time.Time
	}
	all := make([]entry, 0, len(m))
	for k, p := range m {
		all = append(all, entry{k, p.due})
	}
	slices.SortFunc(all, func(a, b entry) int { return a.due.Compare(b.due) })
	for _, e := range all[:historySize/4] {
		delete(m, e.key)
	}
}

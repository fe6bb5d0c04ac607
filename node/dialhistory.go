package node

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// historySize bounds the nodes, and likewise the places, whose last dial is remembered.
// Beyond it those are forgotten that may be dialed again soonest: candidates come from
// strangers, who can make up as many as they like.
const historySize = 8192

// history says which of the nodes that somebody came across were dialed recently, and with
// how little success. It is a plain value.
type history struct {
	nodes  map[enode.ID]*past
	places map[place]*past
}

// past is what is remembered of one node or place.
type past struct {
	cause    dialCause // of the last failure
	failures int       // for this cause, one after the other
	due      time.Time // not to be dialed before
}

// place is an endpoint, or with port 0 a public address as a whole.
type place netip.AddrPort

// placesOf lists the places that an endpoint is in.
func placesOf(at netip.AddrPort) []place {
	if netaddr.Private(at.Addr()) {
		return []place{place(at)}
	}
	return []place{place(at), place(netip.AddrPortFrom(netaddr.Host(at.Addr()).Addr(), 0))}
}

// has says whether anything is remembered of a node.
func (h *history) has(id enode.ID) bool { return h.nodes[id] != nil }

// recent says whether a node, or one of its endpoints, is to be left in peace for now.
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

// note takes down how a dial or a link ended. An endpoint where nobody was found, or
// somebody else, is left in peace also under another node ID.
func (h *history) note(id enode.ID, endpoints []netip.AddrPort, cause dialCause, jitter float64, now time.Time) {
	if h.nodes == nil {
		h.nodes, h.places = map[enode.ID]*past{}, map[place]*past{}
	}
	if cause == causeNone {
		h.succeeded(id, endpoints, now)
		return
	}
	fail(h.nodes, id, cause, dynamicPauses[cause].at(endpoints), jitter, now)
	if cause != causeUnreachable && cause != causeHandshake {
		return
	}
	for _, at := range endpoints {
		fail(h.places, place(at), cause, dynamicPauses[cause], jitter, now)
		if cause == causeUnreachable && !netaddr.Private(at.Addr()) {
			host := place(netip.AddrPortFrom(netaddr.Host(at.Addr()).Addr(), 0))
			fail(h.places, host, cause, hostPause, jitter, now)
		}
	}
}

// succeeded: there is a link, or soon will be. The node's own failures are forgotten when
// the link turns out to be healthy.
func (h *history) succeeded(id enode.ID, endpoints []netip.AddrPort, now time.Time) {
	p := h.nodes[id]
	if p == nil {
		makeRoom(h.nodes)
		p = new(past)
		h.nodes[id] = p
	}
	p.due = now.Add(dynamicPauses[causeLost].at(endpoints).first)
	for _, at := range endpoints {
		for _, where := range placesOf(at) {
			delete(h.places, where)
		}
	}
}

// parted takes down that a link ended. A healthy one ends what was held against the node.
func (h *history) parted(end *linkDown, jitter float64, now time.Time) {
	if end.lived >= redialMax {
		delete(h.nodes, end.id)
	}
	h.note(end.id, []netip.AddrPort{netip.AddrPortFrom(end.addr, 0)}, end.cause, jitter, now)
}

func fail[K comparable](m map[K]*past, key K, cause dialCause, p pause, jitter float64, now time.Time) {
	was := m[key]
	if was == nil {
		makeRoom(m)
		was = new(past)
		m[key] = was
	}
	if was.cause != cause {
		was.cause, was.failures = cause, 0
	}
	was.due = now.Add(p.after(was.failures, jitter))
	was.failures++
}

// makeRoom forgets a quarter of what is remembered when that is too much, so that the
// cost of finding out is shared by many.
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

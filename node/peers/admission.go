package peers

import (
	"errors"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// Limits limits the number of peers.
type Limits struct {
	Peers int // trusted nodes are admitted beyond it
	// Loopback is how many peers on loopback addresses are admitted in addition. Zero: they
	// count like any other peer.
	Loopback int
	// Outbound is how many of Peers are kept for dynamic nodes that we dial: inbound peers
	// can't use them. Dials may use more than these while there is room.
	Outbound int
	// PerHost and PerNetwork are how many dynamic peers may share an address or a network,
	// see netaddr.Host and netaddr.Network. Zero or less: no limit.
	PerHost, PerNetwork int
}

// inbound returns the limit of inbound dynamic peers.
func (l Limits) inbound() int { return max(l.Peers-l.Outbound, min(l.Peers, 1)) }

// counts is the number of links of each kind. A dynamic node is neither static nor trusted.
type counts struct {
	loopback int // links that count against Limits.Loopback
	others   int // links that count against Limits.Peers
	inbound  int // of others, the dynamic nodes that dialed us
	outbound int // dynamic nodes that we dialed, at any address
}

// Remote is a node that is a peer, or may become one.
type Remote struct {
	ID      enode.ID
	Addr    netip.Addr // of the remote's end; invalid for a connection in memory
	Inbound bool       // the remote dialed
}

// Check returns the refusal of a link to r, nil if a link would be admitted now.
func (t *Table) Check(r Remote) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.refuse(r)
}

func (t *Table) refuse(r Remote) error {
	switch {
	case t.closed:
		return refusal.ErrStopping
	case r.ID == t.self:
		return refusal.ErrSelf
	case t.members[r.ID] != nil:
		return refusal.ErrAlreadyConnected
	}
	k := t.knownOf(r.ID)
	if err := t.checkBans(r, k); err != nil {
		return err
	}
	switch {
	case k.Trusted:
		return nil
	case t.full(r, k.Static):
		return refusal.ErrTooManyPeers
	case k.Static || t.apart(r):
		return nil
	case r.Inbound && t.inboundFull():
		return refusal.ErrInboundFull
	}
	return t.shares.refuse(r.Addr)
}

// Banned returns an error if r is banned, whether it is a peer or not.
func (t *Table) Banned(r Remote) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.checkBans(r, t.knownOf(r.ID))
}

// checkBans returns an error if r is banned. A ban on an address does not concern the nodes
// that share it with a static or trusted node.
func (t *Table) checkBans(r Remote, k Known) error {
	if t.banned == nil || k.Protected() {
		return nil
	}
	addr := r.Addr
	if t.isAt(addr) {
		addr = netip.Addr{}
	}
	return t.banned(r.ID, addr)
}

// apart reports whether a node counts against Limits.Loopback.
func (t *Table) apart(r Remote) bool { return t.limits.Loopback > 0 && netaddr.Local(r.Addr) }

// full reports whether there is no room for a node that is not trusted. Static nodes without a
// link have places kept for them, up to half of all places, so that a flood of other nodes does
// not keep them out.
func (t *Table) full(r Remote, static bool) bool {
	if t.apart(r) {
		return t.counts.loopback >= t.limits.Loopback
	}
	free := t.limits.Peers - t.counts.others
	if free <= 0 || static {
		return free <= 0
	}
	return free <= min(t.missingStatic(), t.limits.Peers/2)
}

// missingStatic returns the number of static nodes without a link.
func (t *Table) missingStatic() int {
	n := 0
	for id, k := range t.known {
		if k.Static && t.members[id] == nil {
			n++
		}
	}
	return n
}

// count adds a link to the counts (by is 1), or takes it out (by is -1).
func (t *Table) count(m *Member, by int) {
	dynamic := !t.knownOf(m.ID).Protected()
	if t.apart(m.Remote) {
		t.counts.loopback += by
	} else {
		t.counts.others += by
		if dynamic && m.Inbound {
			t.counts.inbound += by
		}
	}
	if dynamic && !m.Inbound {
		t.counts.outbound += by
	}
	if dynamic && by > 0 {
		t.shares.add(m.Addr)
	} else if dynamic {
		t.shares.remove(m.Addr)
	}
}

// noteRefusal counts a refusal for lack of room.
func (t *Table) noteRefusal(err error) {
	if errors.Is(err, refusal.ErrTooManyPeers) || errors.Is(err, refusal.ErrInboundFull) {
		t.state.Refused++
	}
}

// crowded reports whether all places for dynamic nodes are taken, and how many nodes were
// refused for lack of room so far.
func (t *Table) crowded() (full bool, refusals uint64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.limits.Peers > 0 && (t.counts.others >= t.limits.Peers || t.inboundFull()), t.state.Refused
}

func (t *Table) inboundFull() bool { return t.counts.inbound >= t.limits.inbound() }

// evictable lists the peers that may be evicted: dynamic nodes that count against Limits.Peers.
// If all places of inbound peers are taken, only inbound peers are listed.
func (t *Table) evictable(now time.Time) []evictable {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var list []evictable
	for id, m := range t.members {
		if t.knownOf(id).Protected() || t.apart(m.Remote) || t.inboundFull() && !m.Inbound {
			continue
		}
		list = append(list, evictable{id, now.Sub(m.Link.Started()), m.Link.Stats().MsgsIn})
	}
	return list
}

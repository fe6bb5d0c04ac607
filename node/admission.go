package node

import (
	"errors"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// limits says how many peers a node has.
type limits struct {
	peers int // trusted ones may come on top
	// loopback is how many peers on this machine are welcome besides. Zero: they count
	// like any other.
	loopback int
	// outbound is how many of peers are kept for dynamic nodes that we dial: so many fewer
	// may be some that dialed us. Dials may use more than these, while there is room.
	outbound int
	// perHost and perNetwork are how many may share an address or a network, likewise. Zero
	// or less: no limit. See neighbourhood.
	perHost, perNetwork int
}

// inbound is how many may have dialed us, static and trusted ones aside.
func (l limits) inbound() int { return max(l.peers-l.outbound, min(l.peers, 1)) }

// counts is how many members there are of each kind. A dynamic one is neither static nor
// trusted.
type counts struct {
	loopback int // those that count against limits.loopback
	others   int // those that count against limits.peers
	inbound  int // dynamic ones among others that dialed us
	outbound int // dynamic ones that we dialed, wherever they are
}

// caller is a node that wants to be a member, or that we want.
type caller struct {
	id      enode.ID
	addr    netip.Addr // where the connection leads; not valid for one in memory
	inbound bool
}

// check says whether a link would be refused as things stand.
func (r *roster) check(c caller) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.refuse(c)
}

func (r *roster) refuse(c caller) error {
	switch {
	case r.closed:
		return refusal.ErrStopping
	case c.id == r.self:
		return refusal.ErrSelf
	case r.members[c.id] != nil:
		return refusal.ErrAlreadyConnected
	}
	m := r.mark(c.id)
	if err := r.barred(c, m); err != nil {
		return err
	}
	switch {
	case m.trusted:
		return nil
	case r.full(c, m.static):
		return refusal.ErrTooManyPeers
	case m.static || r.apart(c):
		return nil
	case c.inbound && r.inboundFull():
		return refusal.ErrInboundFull
	}
	return r.neighbour.refuse(c.addr)
}

// bar says whether a node is banned, member or not.
func (r *roster) bar(c caller) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.barred(c, r.mark(c.id))
}

// barred says whether a node is banned. A ban on an address doesn't concern those who share
// it with a known node.
func (r *roster) barred(c caller, m mark) error {
	if r.banned == nil || m.protected() {
		return nil
	}
	addr := c.addr
	if r.isAt(addr) {
		addr = netip.Addr{}
	}
	return r.banned(c.id, addr)
}

// apart says whether a node counts against limits.loopback.
func (r *roster) apart(c caller) bool { return r.limits.loopback > 0 && netaddr.Local(c.addr) }

// full says whether there is no room for a node that isn't trusted. Static nodes without a
// link have places kept for them, half of all at most, so that a flood of others doesn't
// keep them out.
func (r *roster) full(c caller, static bool) bool {
	if r.apart(c) {
		return r.counts.loopback >= r.limits.loopback
	}
	free := r.limits.peers - r.counts.others
	if free <= 0 || static {
		return free <= 0
	}
	return free <= min(r.awaited(), r.limits.peers/2)
}

// awaited is how many static nodes have no link.
func (r *roster) awaited() int {
	n := 0
	for id, m := range r.marks {
		if m.static && r.members[id] == nil {
			n++
		}
	}
	return n
}

// count changes the counts by one member that comes (1) or goes (-1).
func (r *roster) count(m *member, by int) {
	dynamic := !r.mark(m.id).protected()
	if r.apart(m.caller) {
		r.counts.loopback += by
	} else {
		r.counts.others += by
		if dynamic && m.inbound {
			r.counts.inbound += by
		}
	}
	if dynamic && !m.inbound {
		r.counts.outbound += by
	}
	if dynamic && by > 0 {
		r.neighbour.add(m.addr)
	} else if dynamic {
		r.neighbour.remove(m.addr)
	}
}

// noteRefusal counts those who were turned away for want of room.
func (r *roster) noteRefusal(err error) {
	if errors.Is(err, refusal.ErrTooManyPeers) || errors.Is(err, refusal.ErrInboundFull) {
		r.refusals++
	}
}

// crowded says whether others find no place, and how many were turned away so far.
func (r *roster) crowded() (full bool, refusals int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.limits.peers > 0 && (r.counts.others >= r.limits.peers || r.inboundFull()), r.refusals
}

func (r *roster) inboundFull() bool { return r.counts.inbound >= r.limits.inbound() }

// tenants lists the peers that may have to make room, as they stand at a time: dynamic ones
// that count, and only those that dialed us where it is them that have all their places.
func (r *roster) tenants(now time.Time) []tenant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []tenant
	for id, m := range r.members {
		if r.mark(id).protected() || r.apart(m.caller) || r.inboundFull() && !m.inbound {
			continue
		}
		list = append(list, tenant{id, now.Sub(m.link.Started()), m.link.Stats().MsgsIn})
	}
	return list
}

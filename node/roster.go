package node

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
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

// member is one live link.
type member struct {
	caller
	link *actors.Link
}

// mark is what the configuration says of a node, connected or not.
type mark struct {
	trusted, static bool
	// addrs are where the node was last known to be.
	addrs []netip.Addr
}

// protected nodes are never banned, and never make room.
func (m mark) protected() bool { return m.trusted || m.static }

// setup is what is under way with one node that isn't a member: the handshake actors
// that were admitted. Several inbound ones may be, because an auth can be replayed by
// anybody who saw it, and must not keep its author out. A dial and an inbound one never
// are at the same time.
type setup struct {
	dial    *actor.PID
	inbound []*actor.PID
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

// check says whether a link would be refused as things stand.
func (r *roster) check(c caller) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.refuse(c)
}

func (r *roster) refuse(c caller) error {
	switch {
	case r.closed:
		return ErrStopping
	case c.id == r.self:
		return ErrSelf
	case r.members[c.id] != nil:
		return ErrAlreadyConnected
	}
	m := r.mark(c.id)
	if err := r.barred(c, m); err != nil {
		return err
	}
	switch {
	case m.trusted:
		return nil
	case r.full(c, m.static):
		return ErrTooManyPeers
	case m.static || r.apart(c):
		return nil
	case c.inbound && r.counts.inbound >= r.limits.inbound():
		return ErrInboundFull
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
func (r *roster) apart(c caller) bool { return r.limits.loopback > 0 && isLocal(c.addr) }

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

// admitInbound decides between the remote's auth and our ack. If our own dial to the
// same node is being set up, one of the two connections has to go, and both nodes must
// choose the same: the one dialed by the lower ID stays. displaced is our dial if it is
// the one that goes.
//
// The choice is safe because a dial asks admitDial before its auth is sent: a node that
// has admitted an inbound connection never sends an auth of its own.
func (r *roster) admitInbound(c caller, by *actor.PID) (displaced *actor.PID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refuse(c); err != nil {
		r.noteRefusal(err)
		return nil, err
	}
	s := r.setups[c.id]
	if s == nil {
		s = new(setup)
		r.setups[c.id] = s
	}
	if s.dial != nil {
		if bytes.Compare(r.self[:], c.id[:]) < 0 {
			return nil, ErrOwnDialFirst
		}
		displaced, s.dial = s.dial, nil
	}
	s.inbound = append(s.inbound, by)
	return displaced, nil
}

// admitDial decides between the TCP connection and our auth.
func (r *roster) admitDial(c caller, by *actor.PID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refuse(c); err != nil {
		return err
	}
	switch s := r.setups[c.id]; {
	case s == nil:
		r.setups[c.id] = &setup{dial: by}
	case len(s.inbound) > 0:
		return ErrPendingInbound
	default:
		return ErrAlreadyDialing
	}
	return nil
}

// clear is the last word before a session becomes a link. Everything is checked again,
// because others may have come meanwhile.
func (r *roster) clear(c caller, by *actor.PID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.setups[c.id].has(by) {
		return ErrTheirDialFirst
	}
	r.forget(c.id, by)
	err := r.refuse(c)
	r.noteRefusal(err)
	return err
}

// noteRefusal counts those who were turned away for want of room.
func (r *roster) noteRefusal(err error) {
	if errors.Is(err, ErrTooManyPeers) || errors.Is(err, ErrInboundFull) {
		r.refusals++
	}
}

// turnedAway is how many dynamic nodes were turned away for want of room, all told.
func (r *roster) turnedAway() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.refusals
}

// add makes a member of a node that was cleared.
func (r *roster) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.id] = m
	r.count(m, 1)
}

// abandon ends what a handshake was admitted for. It is called for each handshake that
// ends, whatever became of it; with a zero ID for one that crashed and could not say for
// whom it was admitted.
func (r *roster) abandon(id enode.ID, by *actor.PID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id != (enode.ID{}) {
		r.forget(id, by)
		return
	}
	for id := range r.setups {
		r.forget(id, by)
	}
}

func (r *roster) forget(id enode.ID, by *actor.PID) {
	s := r.setups[id]
	if s == nil {
		return
	}
	if same(s.dial, by) {
		s.dial = nil
	}
	for i, pid := range s.inbound {
		if same(pid, by) {
			s.inbound = append(s.inbound[:i], s.inbound[i+1:]...)
			break
		}
	}
	if s.dial == nil && len(s.inbound) == 0 {
		delete(r.setups, id)
	}
}

func (s *setup) has(by *actor.PID) bool {
	if s == nil {
		return false
	}
	if same(s.dial, by) {
		return true
	}
	for _, pid := range s.inbound {
		if same(pid, by) {
			return true
		}
	}
	return false
}

// same compares two actors of this process; protoactor's Equal trips over nil.
func same(a, b *actor.PID) bool { return a != nil && b != nil && a.Id == b.Id }

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

package node

import (
	"bytes"
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
}

// roster is who is connected and who is about to be, and the rules of admission. Only
// the peers actor adds and removes members, but the roster itself outlives that actor's
// incarnations, and Node's methods read it without asking anybody.
type roster struct {
	self   enode.ID
	limits limits

	mu       sync.RWMutex
	members  map[enode.ID]*member
	setups   map[enode.ID]*setup
	marks    map[enode.ID]*mark
	loopback int // members that count against limits.loopback
	closed   bool
}

// member is one live link.
type member struct {
	id       enode.ID
	link     *actors.Link
	loopback bool
}

// mark is what the configuration says of a node, connected or not.
type mark struct {
	trusted, static bool
	// addrs are where the node was last known to be.
	addrs []netip.Addr
}

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
	}
}

// check says whether a link to id would be refused as things stand.
func (r *roster) check(id enode.ID, loopback bool) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.refuse(id, loopback)
}

func (r *roster) refuse(id enode.ID, loopback bool) error {
	switch {
	case r.closed:
		return ErrStopping
	case id == r.self:
		return ErrSelf
	case r.members[id] != nil:
		return ErrAlreadyConnected
	case r.full(loopback) && !r.mark(id).trusted:
		return ErrTooManyPeers
	}
	return nil
}

func (r *roster) full(loopback bool) bool {
	if loopback && r.limits.loopback > 0 {
		return r.loopback >= r.limits.loopback
	}
	return len(r.members)-r.loopback >= r.limits.peers
}

// admitInbound decides between the remote's auth and our ack. If our own dial to the
// same node is being set up, one of the two connections has to go, and both nodes must
// choose the same: the one dialed by the lower ID stays. displaced is our dial if it is
// the one that goes.
//
// The choice is safe because a dial asks admitDial before its auth is sent: a node that
// has admitted an inbound connection never sends an auth of its own.
func (r *roster) admitInbound(id enode.ID, loopback bool, by *actor.PID) (displaced *actor.PID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refuse(id, loopback); err != nil {
		return nil, err
	}
	s := r.setups[id]
	if s == nil {
		s = new(setup)
		r.setups[id] = s
	}
	if s.dial != nil {
		if bytes.Compare(r.self[:], id[:]) < 0 {
			return nil, ErrOwnDialFirst
		}
		displaced, s.dial = s.dial, nil
	}
	s.inbound = append(s.inbound, by)
	return displaced, nil
}

// admitDial decides between the TCP connection and our auth.
func (r *roster) admitDial(id enode.ID, loopback bool, by *actor.PID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refuse(id, loopback); err != nil {
		return err
	}
	switch s := r.setups[id]; {
	case s == nil:
		r.setups[id] = &setup{dial: by}
	case len(s.inbound) > 0:
		return ErrPendingInbound
	default:
		return ErrAlreadyDialing
	}
	return nil
}

// clear is the last word before a session becomes a link. Everything is checked again,
// because others may have come meanwhile.
func (r *roster) clear(id enode.ID, loopback bool, by *actor.PID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.setups[id].has(by) {
		return ErrTheirDialFirst
	}
	r.forget(id, by)
	return r.refuse(id, loopback)
}

// add makes a member of a node that was cleared.
func (r *roster) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.id] = m
	if m.loopback && r.limits.loopback > 0 {
		r.loopback++
	}
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
	if m.loopback && r.limits.loopback > 0 {
		r.loopback--
	}
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

func (r *roster) count() int {
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
	m := r.mark(id)
	edit(&m)
	if m.trusted || m.static {
		r.marks[id] = &m
	} else {
		delete(r.marks, id)
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
	for _, m := range r.marks {
		if slices.Contains(m.addrs, addr) {
			return true
		}
	}
	return false
}

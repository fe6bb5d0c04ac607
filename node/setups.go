package node

import (
	"bytes"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/refusal"
)

// setup is what is under way with one node that isn't a member: the handshake actors
// that were admitted. Several inbound ones may be, because an auth can be replayed by
// anybody who saw it, and must not keep its author out. A dial and an inbound one never
// are at the same time.
type setup struct {
	dial    *actor.PID
	inbound []*actor.PID
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
			return nil, refusal.ErrOwnDialFirst
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
		return refusal.ErrPendingInbound
	default:
		return refusal.ErrAlreadyDialing
	}
	return nil
}

// clear is the last word before a session becomes a link. Everything is checked again,
// because others may have come meanwhile.
func (r *roster) clear(c caller, by *actor.PID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.setups[c.id].has(by) {
		return refusal.ErrTheirDialFirst
	}
	r.forget(c.id, by)
	err := r.refuse(c)
	r.noteRefusal(err)
	return err
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

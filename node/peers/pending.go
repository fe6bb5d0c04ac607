package peers

import (
	"bytes"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// pending has the admitted handshakes of one node that is not a peer yet. There may be several
// inbound handshakes, because any observer can replay an auth, and a replay must not keep the
// real node out. A dial and an inbound handshake are never pending at the same time.
type pending struct {
	dial    *actor.PID
	inbound []*actor.PID
}

// Admit admits the handshake by, whose remote is known. An inbound handshake calls it between
// the remote's auth and our ack, an outbound one between the TCP connection and our auth. The
// error is a refusal.
//
// If our own dial to the same node is pending, one of the two connections must be closed, and
// both nodes must choose the same one: the connection dialed by the node with the lower ID
// stays. If that is the inbound one, displaced is our dial, and the caller aborts it. This is
// safe because a dial is admitted before its auth is sent: a node that has admitted an inbound
// connection sends no auth of its own.
func (t *Table) Admit(r Remote, by *actor.PID) (displaced *actor.PID, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refuse(r); err != nil {
		if r.Inbound {
			t.noteRefusal(err)
		}
		return nil, err
	}
	p := t.pending[r.ID]
	if p == nil {
		p = new(pending)
		t.pending[r.ID] = p
	}
	if r.Inbound {
		return p.admitInbound(by, bytes.Compare(t.self[:], r.ID[:]) < 0)
	}
	return nil, p.admitDial(by)
}

func (p *pending) admitInbound(by *actor.PID, ourIDLower bool) (displaced *actor.PID, err error) {
	if p.dial != nil {
		if ourIDLower {
			return nil, refusal.ErrOwnDialFirst
		}
		displaced, p.dial = p.dial, nil
	}
	p.inbound = append(p.inbound, by)
	return displaced, nil
}

func (p *pending) admitDial(by *actor.PID) error {
	switch {
	case len(p.inbound) > 0:
		return refusal.ErrPendingInbound
	case p.dial != nil:
		return refusal.ErrAlreadyDialing
	}
	p.dial = by
	return nil
}

// clear decides whether the session of an admitted handshake becomes a link. It checks
// admission again, because other nodes may have become peers meanwhile.
func (t *Table) clear(r Remote, by *actor.PID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.pending[r.ID].has(by) {
		return refusal.ErrTheirDialFirst
	}
	t.forget(r.ID, by)
	err := t.refuse(r)
	t.noteRefusal(err)
	return err
}

// abandon frees the place of a handshake that is over. The ID is zero if the handshake crashed
// and could not report for which node it was admitted.
func (t *Table) abandon(id enode.ID, by *actor.PID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id != (enode.ID{}) {
		t.forget(id, by)
		return
	}
	for id := range t.pending {
		t.forget(id, by)
	}
}

func (t *Table) forget(id enode.ID, by *actor.PID) {
	p := t.pending[id]
	if p == nil {
		return
	}
	if supervise.Same(p.dial, by) {
		p.dial = nil
	}
	p.inbound = slices.DeleteFunc(p.inbound, func(pid *actor.PID) bool { return supervise.Same(pid, by) })
	if p.dial == nil && len(p.inbound) == 0 {
		delete(t.pending, id)
	}
}

func (p *pending) has(by *actor.PID) bool {
	return p != nil && (supervise.Same(p.dial, by) ||
		slices.ContainsFunc(p.inbound, func(pid *actor.PID) bool { return supervise.Same(pid, by) }))
}

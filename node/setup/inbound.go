package setup

import (
	"errors"
	"io"
	"net"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/nat/stun"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// accepted gives a connection from the listener a slot, makes it wait for one, or rejects it.
func (p *pool) accepted(ctx actor.Context, conn net.Conn) {
	p.counters.accepted.Add(1)
	p.place(ctx, conn, func() (slotClass, error) {
		at := netaddr.Of(conn.RemoteAddr()).Addr()
		known := p.Table.Knows(at)
		announced := p.Announced != nil && p.Announced(at)
		class := slotStranger
		switch {
		case known:
			class = slotKnown
		case announced:
			class = slotAnnounced
		}
		p.CameIn(at)
		if err := p.check(at, known); err != nil {
			return class, err
		}
		if class == slotStranger && !p.throttle.allow(at, p.Runtime.Clock.Now()) {
			return class, refusal.ErrThrottled
		}
		return class, nil
	})
}

// acceptPunched does the same for the connection of a node that called through NATs. Both nodes
// have agreed on it, so it is not throttled. It does not prove that our router forwards the
// port, so Config.CameIn is not called.
func (p *pool) acceptPunched(ctx actor.Context, handover *punch.Handover) {
	conn := handover.Take()
	if conn == nil {
		p.Intake.GiveBack() // the pool took it too late: it was closed
		return
	}
	p.counters.accepted.Add(1)
	p.place(ctx, conn, func() (slotClass, error) {
		at := netaddr.Of(conn.RemoteAddr()).Addr()
		return slotCalled, p.check(at, p.Table.Knows(at))
	})
}

// check returns an error if the node takes no connection from this address.
func (p *pool) check(at netip.Addr, known bool) error {
	switch {
	case p.stopping:
		return p.cutOff
	case !netaddr.Allowed(p.NetRestrict, at):
		return refusal.ErrNotAllowed
	case !known && p.Ledger.Check(enode.ID{}, at) != nil:
		return refusal.ErrBanned
	}
	return nil
}

// place calls judge, and gives the connection a slot, makes it wait for one, or rejects it. A
// panic of judge also closes the connection and gives its credit back: otherwise the node would
// accept fewer connections after each.
func (p *pool) place(ctx actor.Context, conn net.Conn, judge func() (slotClass, error)) {
	judged := false
	defer func() {
		if !judged {
			p.Intake.GiveBack()
			_ = conn.Close()
		}
	}()
	class, err := judge()
	judged = true
	switch {
	case err != nil:
		p.reject(conn, err)
	case p.slots.take(class):
		p.begin(ctx, conn, class)
	case class == slotStranger && len(p.waiting[class]) >= maxStrangers && !netaddr.Private(netaddr.Of(conn.RemoteAddr()).Addr()):
		p.reject(conn, refusal.ErrPendingFull)
	default:
		p.wait(ctx, conn, class)
	}
}

// readAuth reads the remote's auth. A neighbour may send a STUN request instead
// (docs/hole-punching.md). readAuth answers it, and returns refusal.ErrObserved.
func (h *handshake) readAuth(conn net.Conn) (*wire.Recipient, error) {
	r, err := wire.AcceptAuth(conn, h.Key, h.options())
	var other *wire.NoPacketError
	if errors.As(err, &other) && answerSTUN(conn, other.Read) {
		err = refusal.ErrObserved
	}
	return r, err
}

// answerSTUN answers a STUN Binding request whose first bytes began were read. It returns false
// if the bytes are not such a request, or if answering failed. An auth can't look like a
// request: its first two bytes are its size. answerSTUN reads the request to its end, because
// closing a connection with unread data could lose the answer.
func answerSTUN(conn net.Conn, began []byte) bool {
	request := make([]byte, stun.HeaderSize)
	if len(began) > len(request) || began[0] != 0 || began[1] != 1 {
		return false
	}
	copy(request, began)
	if _, err := io.ReadFull(conn, request[len(began):]); err != nil {
		return false
	}
	answer, ok := stun.AnswerStream(request, netaddr.Of(conn.RemoteAddr()))
	if !ok {
		return false
	}
	_, err := conn.Write(answer)
	return err == nil
}

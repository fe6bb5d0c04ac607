package node

import (
	"errors"
	"io"
	"net"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// takeIn takes the connection of a node that called, like one that was accepted: if there
// are too many of those, it is closed.
func (n *Node) takeIn(conn net.Conn) {
	if !n.roster.isClosed() {
		select {
		case n.intake <- struct{}{}:
			supervise.Send(n.rt.System.Root, n.handshakes, &called{conn: punch.NewHandover(n.rt.Clock, conn)})
			return
		default:
		}
	}
	_ = conn.Close() // the caller sees it
}

// called takes it in. Who has an appointment is not throttled, and finds a slot where
// strangers are turned away. It proves nothing of our router, as others that come in do.
func (h *handshakes) called(ctx actor.Context, handover *punch.Handover) {
	conn := handover.Take()
	if conn == nil {
		<-h.n.intake // it was closed, because we were too slow
		return
	}
	at := netaddr.Of(conn.RemoteAddr()).Addr()
	switch {
	case h.stopping:
		h.turnAway(conn, h.cutOff)
	case !netaddr.Allowed(h.n.cfg.NetRestrict, at):
		h.turnAway(conn, refusal.ErrNotAllowed)
	case !h.n.roster.knows(at) && h.n.ledger.Check(enode.ID{}, at) != nil:
		h.turnAway(conn, refusal.ErrBanned)
	case h.slots.take(slotCalled):
		h.begin(ctx, conn, slotCalled)
	default:
		h.wait(ctx, conn, slotCalled)
	}
}

// greet reads the remote's auth. A neighbour may send a request in its place, which is
// answered: that is ErrObserved.
func (h *handshake) greet(conn net.Conn) (*wire.Recipient, error) {
	r, err := wire.AcceptAuth(conn, h.n.key, h.options())
	var other *wire.NoPacketError
	if errors.As(err, &other) && tellObserved(conn, other.Read) {
		err = refusal.ErrObserved
	}
	return r, err
}

// tellObserved answers a request for the remote's endpoint as we see it, of which the
// beginning was read, and says whether it was one. What the remote sent is read to its end
// then, so that the answer is not lost when the connection is closed.
func tellObserved(conn net.Conn, began []byte) bool {
	request := make([]byte, bindingLength)
	if len(began) > len(request) || began[0] != 0 || began[1] != 1 {
		return false
	}
	copy(request, began)
	if _, err := io.ReadFull(conn, request[len(began):]); err != nil {
		return false
	}
	answer, ok := answerBinding(request, netaddr.Of(conn.RemoteAddr()))
	if !ok {
		return false
	}
	_, err := conn.Write(answer)
	return err == nil
}

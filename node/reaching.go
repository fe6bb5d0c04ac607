package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// directTime is what connecting gets with a node that says itself that a NAT is in the
	// way. It is tried all the same: both may be behind the same one, or in one network.
	directTime = time.Second
	// reachTime is what a call through the NATs may take (12 s, and 8 s to connect), and two
	// seconds.
	reachTime = 22 * time.Second
)

// holeTimeout is what the auth or the ack of RLPx may take on a connection that a hole was
// punched for: as long as both sides connect, and as ever then.
const holeTimeout = 8*time.Second + wire.AuthTimeout

// errLate is the end of a call whose connection waited in vain to be taken.
var errLate = errors.New("the connection through the NATs was taken too late")

// callerFor gives the actor that may reach a node through NATs; nil: there is none, or no use
// in asking. A static node is worth asking for whatever the operator wrote: discovery may have
// a record of it.
func (n *Node) callerFor(target *enode.Node) *actor.PID {
	if n.desk == nil || n.door == nil {
		return nil
	}
	if _, takes := punch.Takes(target); !takes && !n.roster.markOf(target.ID()).static {
		return nil
	}
	return n.puncher
}

// connectTime is what connecting may take before the node is called.
func (h *handshake) connectTime() time.Duration {
	nat, _ := punch.Takes(h.target)
	if h.puncher != nil && (nat == punch.EndpointIndependent || nat == punch.AddressDependent) {
		return directTime
	}
	return connectTimeout
}

// call has the puncher make a connection, once in a dial. It answers by a *punch.Reached.
func (h *handshake) call(ctx actor.Context, direct error) {
	h.direct = direct
	supervise.Send(ctx, h.puncher, &punch.Reach{Node: h.target, To: ctx.Self()})
	h.puncher = nil
}

// reached: there is a connection, and we are the initiator on it, whichever way it came.
func (h *handshake) reached(ctx actor.Context, msg *punch.Reached) {
	err := msg.Err
	if err == nil {
		if conn := msg.Conn.Take(); conn == nil {
			err = errLate
		} else {
			h.conn.set(conn)
		}
	}
	if err != nil {
		h.end(ctx, &refusal.Unreachable{Err: fmt.Errorf("%w; %w", h.direct, err)})
		return
	}
	h.punched = true
	h.connected(ctx, &connected{})
}

// unwanted closes what comes when the handshake is over.
func unwanted(msg any) {
	if r, ok := msg.(*punch.Reached); ok && r.Conn != nil {
		r.Conn.Drop()
	}
}

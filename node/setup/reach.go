package setup

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
	// natConnectTimeout limits connecting to a node whose record says that it is behind a NAT.
	// A direct connection is still tried first, because both nodes may be behind the same NAT,
	// or in one network.
	natConnectTimeout = time.Second
	// reachTimeout limits a call through NATs: 12 s for the call, 8 s to connect, and 2 s.
	reachTimeout = 22 * time.Second
)

// holeTimeout limits the auth or the ack of RLPx on a connection through a hole: the time
// that both sides have to connect, and the usual time.
const holeTimeout = 8*time.Second + wire.AuthTimeout

// errTakenTooLate is the error of a call whose connection was closed before the handshake took
// it.
var errTakenTooLate = errors.New("connection through NATs was closed before the handshake took it")

// puncherFor returns the actor that may reach a node through NATs. It is nil if there is none,
// or if the node takes no part in hole punching. For static nodes it is never nil because of
// their record: discovery may have a newer one than the operator.
func (p *Pool) puncherFor(target *enode.Node) *actor.PID {
	if p.Puncher == nil {
		return nil
	}
	if _, takes := punch.Takes(target); !takes && !p.Table.KnownOf(target.ID()).Static {
		return nil
	}
	return p.Puncher
}

// connectTimeout returns how long to try to connect before the node is called through NATs.
func (h *handshake) connectTimeout() time.Duration {
	nat, _ := punch.Takes(h.target)
	if h.puncher != nil && (nat == punch.EndpointIndependent || nat == punch.AddressDependent) {
		return natConnectTimeout
	}
	return ConnectTimeout
}

// callThroughNATs requests a connection from the puncher, once in a dial. The puncher answers
// with *punch.Reached.
func (h *handshake) callThroughNATs(ctx actor.Context, direct error) {
	h.direct = direct
	supervise.Send(ctx, h.puncher, &punch.Reach{Node: h.target, To: ctx.Self()})
	h.puncher = nil
}

// reached handles the result of a call through NATs. We are the RLPx initiator on the
// connection, whichever side opened it.
func (h *handshake) reached(ctx actor.Context, msg *punch.Reached) {
	err := msg.Err
	if err == nil {
		if conn := msg.Conn.Take(); conn == nil {
			err = errTakenTooLate
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

// dropUnused closes a connection that arrives after the handshake is over.
func dropUnused(msg any) {
	if r, ok := msg.(*punch.Reached); ok && r.Conn != nil {
		r.Conn.Drop()
	}
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// ConnectTimeout limits resolving a name and connecting to all addresses in turn.
	ConnectTimeout = 15 * time.Second
	// setupTimeout limits a whole handshake. It should never be reached, because each step has
	// a shorter deadline of its own.
	setupTimeout = ConnectTimeout + reachTimeout + holeTimeout + wire.HelloTimeout + 2*time.Second
)

// handshake sets up one connection and ends. One goroutine at a time does the blocking work.
// Between the steps the actor calls the table.
type handshake struct {
	*Pool
	parent  *actor.PID
	inbound bool
	punched bool        // the connection came through a hole
	target  *enode.Node // of a dial
	static  bool        // see StartDial
	remote  netip.AddrPort
	id      enode.ID   // zero until the remote has proved it
	puncher *actor.PID // may reach the target through NATs; nil: there is none, or it got a Reach
	direct  error      // why the target could not be dialed directly

	conn      heldConn
	recipient *wire.Recipient
	offer     *offer.Offer       // from which our Hello is made
	cancel    context.CancelFunc // ends connecting; nil for inbound connections
	timer     supervise.Timer
	// committed says that the remote must get the outcome: it has sent its auth, or is about to
	// receive ours, and may consider us a peer before we know the outcome.
	committed bool
	ended     bool
	last      *done // the last message to the pool; nil: none was sent
}

func (h *handshake) Receive(ctx actor.Context) {
	if h.ended {
		dropUnused(ctx.Message())
		return // the result of a cancelled goroutine, or a message while stopping
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		h.start(ctx)
	case *connected:
		h.connected(ctx, msg)
	case *punch.Reached:
		h.reached(ctx, msg)
	case *authRead:
		h.authRead(ctx, msg)
	case *sessionReady:
		h.sessionReady(ctx, msg)
	case *abort:
		h.end(ctx, msg.err)
	case *finish:
		// If a committed handshake ends with a session, peers refuses it with the reason.
		if !h.committed {
			h.end(ctx, refusal.ErrStopping)
		}
	case *overdue:
		h.end(ctx, refusal.ErrSetupTimeout)
	case *actor.Stopping:
		h.release() // the actor crashed or was stopped; the pool knows which
	}
}

func (h *handshake) start(ctx actor.Context) {
	self := ctx.Self()
	h.timer = h.Runtime.After(setupTimeout, self, &overdue{})
	if !h.inbound {
		h.connect(ctx)
		return
	}
	conn := h.conn.get()
	h.Runtime.Go(self, func() {
		r, err := h.readAuth(conn)
		h.Runtime.Send(self, &authRead{recipient: r, err: err})
	})
}

// options returns the options of the RLPx handshake. Through a hole one side may have its
// connection long before the other, if the last packet of TCP's handshake was lost.
func (h *handshake) options() wire.Options {
	o := wire.Options{Rand: h.Rand}
	if h.punched {
		o.AuthTimeout = holeTimeout
	}
	return o
}

// authRead handles the result of reading the remote's auth, which proves its identity.
func (h *handshake) authRead(ctx actor.Context, msg *authRead) {
	if msg.err != nil {
		h.end(ctx, msg.err)
		return
	}
	h.recipient, h.committed = msg.recipient, true
	h.id = enode.PubkeyToIDV4(msg.recipient.Remote())
	h.admit(ctx)
}

// connect resolves and dials in a goroutine.
func (h *handshake) connect(ctx actor.Context) {
	// The remote should not have work with a connection that would be refused.
	if err := h.Table.Check(peers.Remote{ID: h.id, Addr: h.target.IPAddr().Unmap()}); err != nil {
		h.end(ctx, err)
		return
	}
	dialing, cancel := context.WithTimeout(context.Background(), h.connectTimeout())
	h.cancel = cancel
	self := ctx.Self()
	h.Runtime.Go(self, func() {
		defer cancel()
		conn, err := h.Connector.Connect(dialing, h.target)
		if err == nil && !h.conn.set(conn) {
			return // the handshake has ended meanwhile
		}
		h.Runtime.Send(self, &connected{err: err})
	})
}

func (h *handshake) connected(ctx actor.Context, msg *connected) {
	switch {
	case msg.err != nil && h.puncher != nil && !errors.Is(msg.err, refusal.ErrNotAllowed):
		h.callThroughNATs(ctx, msg.err)
		return
	case msg.err != nil:
		h.end(ctx, &refusal.Unreachable{Err: msg.err})
		return
	}
	h.remote = netaddr.Of(h.conn.get().RemoteAddr())
	h.admit(ctx)
}

// admit checks with the table whether the remote may become a peer. If not, an inbound remote
// is sent the reason.
func (h *handshake) admit(ctx actor.Context) {
	displaced, refused := h.Table.Admit(peers.Remote{ID: h.id, Addr: h.remote.Addr(), Inbound: h.inbound}, ctx.Self())
	if displaced != nil {
		supervise.Send(ctx, displaced, &abort{err: refusal.ErrTheirDialFirst})
	}
	if refused != nil && !h.inbound {
		h.end(ctx, refused)
		return
	}
	h.committed, h.offer = true, h.Offer()
	self, conn := ctx.Self(), h.conn.get()
	h.Runtime.Go(self, func() {
		s, err := h.exchange(conn, refused)
		h.Runtime.Send(self, &sessionReady{session: s, err: err})
	})
}

// exchange runs in a goroutine. It makes a session, or sends the remote the reason against it.
func (h *handshake) exchange(conn net.Conn, refused error) (*wire.Session, error) {
	if refused != nil {
		reason, _ := wire.ReasonOf(refused)
		if err := h.recipient.Refuse(conn, reason); err != nil {
			return nil, fmt.Errorf("%w (sending the reason failed: %w)", refused, err)
		}
		refusal.Linger(conn)
		return nil, refused
	}
	var (
		s   *wire.Session
		err error
	)
	if h.inbound {
		s, err = h.recipient.Welcome(conn, &h.offer.Hello)
	} else {
		s, err = wire.Dial(conn, h.Key, h.target.Pubkey(), &h.offer.Hello, h.options())
	}
	if err != nil {
		return nil, err
	}
	if !h.offer.Shares(s.RemoteHello.Caps) {
		return nil, refusal.DisconnectAndClose(conn, s, fmt.Errorf("%w: the remote has %v", refusal.ErrUselessPeer, s.RemoteHello.Caps), time.Time{})
	}
	return s, nil
}

// sessionReady passes the session and the connection to peers.
func (h *handshake) sessionReady(ctx actor.Context, msg *sessionReady) {
	if msg.err == nil {
		h.counters.established.Add(1)
		if h.punched {
			h.counters.punched.Add(1)
		}
		e := &peers.Establish{
			By: ctx.Self(), ID: h.id, Conn: h.conn.take(), Session: msg.session, Offer: h.offer,
			Inbound: h.inbound, Static: h.static, Punched: h.punched,
		}
		if !h.Table.HandOver(e) {
			h.end(ctx, refusal.ErrStopping)
			return
		}
		supervise.Send(ctx, h.Peers, e)
	}
	h.end(ctx, msg.err)
}

// release closes the connection unless peers owns it. Closing it also ends the goroutine that
// uses it.
func (h *handshake) release() {
	h.ended = true
	h.timer.Stop()
	if h.cancel != nil {
		h.cancel()
	}
	h.conn.close()
}

// end sends the pool the actor's last message, and the pool stops the actor. If the actor
// stopped itself, Terminated would overtake that message.
func (h *handshake) end(ctx actor.Context, err error) {
	h.release()
	h.last = &done{by: ctx.Self(), id: h.id, punched: h.punched, err: err}
	supervise.Send(ctx, h.parent, h.last)
}

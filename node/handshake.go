package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// connectTimeout is for resolving a name and connecting, over all addresses.
	connectTimeout = 15 * time.Second
	// setupTimeout is the last resort: the steps have deadlines of their own, which add
	// up to less.
	setupTimeout = connectTimeout + reachTime + holeTimeout + wire.HelloTimeout + 2*time.Second
	// lingerTimeout is how long the remote gets to close after it was refused, so that a
	// reset doesn't overtake the reason.
	lingerTimeout = time.Second
	// lingerBytes is what it may send meanwhile.
	lingerBytes = 64 << 10
)

// handshake sets up one connection and ends. It decides nothing: what blocks is done by
// one goroutine at a time, and between the steps peers is asked.
type handshake struct {
	n       *Node
	parent  *actor.PID
	inbound bool
	punched bool        // the connection came through a hole
	target  *enode.Node // of a dial
	remote  netip.AddrPort
	id      enode.ID   // zero until known
	puncher *actor.PID // may reach the target through NATs; nil: nobody does, or was asked
	direct  error      // why the target had to be called

	conn      lease
	recipient *wire.Recipient
	offer     *offer.Offer       // what our Hello says
	cancel    context.CancelFunc // ends connecting; nil for inbound
	timer     Timer
	// greeting says that the remote has to be told how this ends: it has sent its auth, or
	// is about to get ours, and may take us for a peer before we know.
	greeting bool
	ended    bool
}

func (h *handshake) Receive(ctx actor.Context) {
	if h.ended {
		unwanted(ctx.Message())
		return // results of a goroutine that was cut off, and what comes while stopping
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
	case *verdict:
		h.verdict(ctx, msg.err)
	case *sessionReady:
		h.sessionReady(ctx, msg)
	case *giveUp:
		h.end(ctx, msg.err)
	case *wrapUp:
		// A session that comes of it is refused by peers, with the reason.
		if !h.greeting {
			h.end(ctx, refusal.ErrStopping)
		}
	case *setupOverdue:
		h.end(ctx, refusal.ErrSetupTimeout)
	case *actor.Stopping:
		h.release() // crashed, or cut off: the parent knows which
	}
}

func (h *handshake) start(ctx actor.Context) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	h.timer = h.n.rt.Clock.AfterFunc(setupTimeout, func() { supervise.Send(root, self, &setupOverdue{}) })
	if !h.inbound {
		h.connect(ctx)
		return
	}
	conn := h.conn.get()
	h.n.rt.Go(self, func() {
		r, err := h.greet(conn)
		supervise.Send(root, self, &authRead{recipient: r, err: err})
	})
}

// options are those of the RLPx handshake. Through a hole one side may have its connection
// long before the other, whose last packet of TCP's handshake was lost.
func (h *handshake) options() wire.Options {
	o := wire.Options{Rand: h.n.cfg.Rand}
	if h.punched {
		o.AuthTimeout = holeTimeout
	}
	return o
}

// authRead: the remote has proved who it is.
func (h *handshake) authRead(ctx actor.Context, msg *authRead) {
	if msg.err != nil {
		h.end(ctx, msg.err)
		return
	}
	h.recipient, h.greeting = msg.recipient, true
	h.id = enode.PubkeyToIDV4(msg.recipient.Remote())
	h.askPeers(ctx)
}

func (h *handshake) askPeers(ctx actor.Context) {
	supervise.Send(ctx, h.n.peers, &admit{by: ctx.Self(), caller: caller{id: h.id, addr: h.remote.Addr(), inbound: h.inbound}})
}

// connect resolves and dials in a goroutine.
func (h *handshake) connect(ctx actor.Context) {
	// A connection that would be refused anyway is not worth the remote's trouble.
	if err := h.n.roster.check(caller{id: h.id, addr: h.target.IPAddr().Unmap()}); err != nil {
		h.end(ctx, err)
		return
	}
	dialing, cancel := context.WithTimeout(context.Background(), h.connectTime())
	h.cancel = cancel
	self, root := ctx.Self(), ctx.ActorSystem().Root
	h.n.rt.Go(self, func() {
		defer cancel()
		conn, err := h.n.connector.connect(dialing, h.target)
		if err == nil && !h.conn.set(conn) {
			return // given up meanwhile
		}
		supervise.Send(root, self, &connected{err: err})
	})
}

func (h *handshake) connected(ctx actor.Context, msg *connected) {
	switch {
	case msg.err != nil && h.puncher != nil && !errors.Is(msg.err, refusal.ErrNotAllowed):
		h.call(ctx, msg.err)
		return
	case msg.err != nil:
		h.end(ctx, &refusal.Unreachable{Err: msg.err})
		return
	}
	h.remote = netaddr.Of(h.conn.get().RemoteAddr())
	h.askPeers(ctx)
}

// verdict: peers has decided. An inbound remote is told in any case.
func (h *handshake) verdict(ctx actor.Context, refused error) {
	if refused != nil && !h.inbound {
		h.end(ctx, refused)
		return
	}
	h.greeting, h.offer = true, h.n.offer.Load()
	self, root := ctx.Self(), ctx.ActorSystem().Root
	conn := h.conn.get()
	h.n.rt.Go(self, func() {
		s, err := h.exchange(conn, refused)
		supervise.Send(root, self, &sessionReady{session: s, err: err})
	})
}

// exchange runs in a goroutine and brings about a session that both sides have a use for.
func (h *handshake) exchange(conn net.Conn, refused error) (*wire.Session, error) {
	if refused != nil {
		reason, _ := wire.ReasonOf(refused)
		if err := h.recipient.Refuse(conn, reason); err != nil {
			return nil, fmt.Errorf("%w (the remote was not told: %w)", refused, err)
		}
		linger(conn)
		return nil, refused
	}
	var (
		s   *wire.Session
		err error
	)
	if h.inbound {
		s, err = h.recipient.Welcome(conn, &h.offer.Hello)
	} else {
		s, err = wire.Dial(conn, h.n.key, h.target.Pubkey(), &h.offer.Hello, h.options())
	}
	if err != nil {
		return nil, err
	}
	if !h.offer.Shares(s.RemoteHello.Caps) {
		return nil, sendOff(conn, s, fmt.Errorf("%w: the remote has %v", refusal.ErrUselessPeer, s.RemoteHello.Caps))
	}
	return s, nil
}

// sessionReady hands a session over to peers, with the connection.
func (h *handshake) sessionReady(ctx actor.Context, msg *sessionReady) {
	if msg.err == nil {
		supervise.Send(ctx, h.n.peers, &settle{
			by: ctx.Self(), id: h.id, conn: h.conn.take(), session: msg.session, offer: h.offer,
			inbound: h.inbound, punched: h.punched,
		})
	}
	h.end(ctx, msg.err)
}

// release closes the connection unless it was handed over, which also ends the goroutine
// that uses it.
func (h *handshake) release() {
	h.ended = true
	h.timer.Stop()
	if h.cancel != nil {
		h.cancel()
	}
	h.conn.close()
}

// end has the last word. The parent stops the actor when it has read that: if the actor
// stopped itself, the news of its end would overtake the word.
func (h *handshake) end(ctx actor.Context, err error) {
	h.release()
	supervise.Send(ctx, h.parent, &setupDone{by: ctx.Self(), id: h.id, punched: h.punched, err: err})
}

// sendOff tells the remote of a finished session why it must go, and gives err back. The
// caller closes the connection.
func sendOff(conn net.Conn, s *wire.Session, err error) error {
	reason, _ := wire.ReasonOf(err)
	frame, failed := s.AppendDisconnect(nil, reason)
	if failed == nil {
		failed = conn.SetDeadline(time.Now().Add(lingerTimeout))
	}
	if failed == nil {
		_, failed = conn.Write(frame)
	}
	if failed != nil {
		return fmt.Errorf("%w (the remote was not told: %w)", err, failed)
	}
	linger(conn)
	return err
}

// linger waits for the remote to close, having read its reason. What it sends meanwhile
// is dropped; errors mean that there is nothing to wait for.
func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}

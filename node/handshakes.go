package node

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// maxWaiting bounds the accepted connections that wait for a slot.
	maxWaiting = 1024
	// maxStrangers of them may be strangers from public addresses. Beyond that they are closed
	// at once: nobody accepts any more once maxWaiting wait, and known nodes would wait with
	// them.
	maxStrangers = maxWaiting / 2
	// waitLimit is how long one waits; then it is closed unheard. The remote's own
	// patience, counted from its auth, ends about then.
	waitLimit = wire.AuthTimeout - 500*time.Millisecond
	// greetingTime is what handshakes whose remote may take us for a peer get to end when
	// the node stops: two messages each way, at most.
	greetingTime = 400 * time.Millisecond
)

// errCrashed is the end of a handshake whose actor panicked; the log has the stack.
var errCrashed = errors.New("handshake actor crashed")

// handshakes owns the actors that set up connections, bounds their number, and tells
// what became of them.
type handshakes struct {
	n        *Node
	slots    slots
	throttle throttle
	// Those that wait for a slot, oldest first, apart by who may take which slot.
	waiting   [numSlotClasses][]waiting
	waitTimer Timer
	running   map[string]*running // by the ID of the actor's PID
	dials     map[uint64]*actor.PID
	// cutOff is why handshakes end that did not say so themselves.
	cutOff   error
	stopping bool  // nothing new begins
	draining Timer // the node stops, and this is the end of waiting; nil: it doesn't
}

// waiting is an accepted connection without a slot.
type waiting struct {
	conn  net.Conn
	since time.Time
}

// running is one handshake under way.
type running struct {
	remote  netip.AddrPort // of inbound connections
	inbound bool
	class   slotClass // of inbound connections
	dial    dial
	punched bool
	id      enode.ID
	err     error
}

func (n *Node) handshakesProps() *actor.Props {
	return n.rt.Props(func() actor.Actor {
		return &handshakes{
			n: n, slots: slots{max: n.cfg.MaxPending},
			running: map[string]*running{}, dials: map[uint64]*actor.PID{},
			cutOff: errCrashed,
		}
	}, actor.WithSupervisor(supervise.EndFailed{Journal: n.rt.Journal}))
}

func (h *handshakes) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *accepted:
		h.accepted(ctx, msg.conn)
	case *called:
		h.called(ctx, msg.conn)
	case *waitOver:
		h.dismiss(ctx)
	case *startDial:
		h.startDial(ctx, msg.dial)
	case *cancelDial:
		if pid := h.dials[msg.ticket]; pid != nil {
			supervise.Send(ctx, pid, &giveUp{err: refusal.ErrCancelled})
		}
	case *setupDone:
		h.done(ctx, msg)
	case *actor.Terminated:
		h.gone(ctx, msg.Who)
	case *drain:
		h.drain(ctx)
	case *drainOver:
		ctx.Stop(ctx.Self())
	case *actor.Restarting:
		h.stop(errCrashed)
	case *actor.Stopping:
		h.stop(refusal.ErrStopping)
	}
}

// drain ends the handshakes whose remote can't count on us yet, and lets the others have
// their say, for greetingTime at most.
func (h *handshakes) drain(ctx actor.Context) {
	h.stop(refusal.ErrStopping)
	self, root := ctx.Self(), ctx.ActorSystem().Root
	h.draining = h.n.rt.Clock.AfterFunc(greetingTime, func() { supervise.Send(root, self, &drainOver{}) })
	for id := range h.running {
		supervise.Send(ctx, h.n.rt.System.NewLocalPID(id), &wrapUp{})
	}
	h.stopIfIdle(ctx)
}

func (h *handshakes) stopIfIdle(ctx actor.Context) {
	if h.draining != nil && len(h.running) == 0 {
		ctx.Stop(ctx.Self())
	}
}

// stop closes what waits. The handshakes under way are stopped by the runtime, and no
// new one may begin: nobody would stop it.
func (h *handshakes) stop(why error) {
	h.stopping, h.cutOff = true, why
	for class, queue := range h.waiting {
		for _, w := range queue {
			h.turnAway(w.conn, why)
		}
		h.waiting[class] = nil
	}
	for _, t := range []Timer{h.waitTimer, h.draining} {
		if t != nil {
			t.Stop()
		}
	}
	h.draining = nil
}

// accepted gives a new connection a slot, or lets it wait for one.
func (h *handshakes) accepted(ctx actor.Context, conn net.Conn) {
	remote := netaddr.Of(conn.RemoteAddr())
	known, announced := h.n.roster.knows(remote.Addr()), h.n.door.arrived(remote.Addr())
	class := slotStranger
	switch {
	case known:
		class = slotKnown
	case announced:
		class = slotAnnounced
	}
	h.n.cameIn(nat.TCP, remote.Addr())
	switch {
	case h.stopping:
		h.turnAway(conn, h.cutOff)
	case !netaddr.Allowed(h.n.cfg.NetRestrict, remote.Addr()):
		h.turnAway(conn, refusal.ErrNotAllowed)
	case !known && h.n.ledger.Check(enode.ID{}, remote.Addr()) != nil:
		h.turnAway(conn, refusal.ErrBanned)
	case class == slotStranger && !h.throttle.allow(remote.Addr(), h.n.rt.Clock.Now()):
		h.turnAway(conn, refusal.ErrThrottled)
	case h.slots.take(class):
		h.begin(ctx, conn, class)
	case class == slotStranger && len(h.waiting[class]) >= maxStrangers && !netaddr.Private(remote.Addr()):
		h.turnAway(conn, refusal.ErrPendingFull)
	default:
		h.wait(ctx, conn, class)
	}
}

// wait lets a connection wait for a slot.
func (h *handshakes) wait(ctx actor.Context, conn net.Conn, class slotClass) {
	h.waiting[class] = append(h.waiting[class], waiting{conn, h.n.rt.Clock.Now()})
	h.armWait(ctx)
}

// begin starts the handshake of a connection that has a slot; its credit goes back.
func (h *handshakes) begin(ctx actor.Context, conn net.Conn, class slotClass) {
	<-h.n.intake
	r := &running{remote: netaddr.Of(conn.RemoteAddr()), inbound: true, class: class}
	hs := &handshake{n: h.n, parent: ctx.Self(), inbound: true, punched: class == slotCalled, remote: r.remote}
	hs.conn.set(conn)
	h.spawn(ctx, "inbound", hs, r)
}

func (h *handshakes) startDial(ctx actor.Context, d dial) {
	if h.stopping {
		return // the dialer has stopped before
	}
	hs := &handshake{n: h.n, parent: ctx.Self(), target: d.node, id: d.node.ID(), puncher: h.n.callerFor(d.node)}
	h.dials[d.ticket] = h.spawn(ctx, "outbound", hs, &running{dial: d, id: hs.id})
}

func (h *handshakes) spawn(ctx actor.Context, name string, hs *handshake, r *running) *actor.PID {
	pid := ctx.SpawnPrefix(h.n.rt.Props(func() actor.Actor { return hs }), name)
	h.running[pid.Id] = r
	return pid
}

// turnAway closes a connection unheard, and gives its credit back.
func (h *handshakes) turnAway(conn net.Conn, err error) {
	<-h.n.intake
	remote := netaddr.Of(conn.RemoteAddr())
	_ = conn.Close() // it is of no use any more
	h.report(&running{remote: remote, inbound: true, err: err})
}

// done: a handshake has said how it ended.
func (h *handshakes) done(ctx actor.Context, msg *setupDone) {
	if r := h.running[msg.by.Id]; r != nil {
		r.id, r.punched, r.err = msg.id, msg.punched, msg.err
		h.ended(ctx, msg.by, r)
		if !h.stopping || h.draining != nil { // else the runtime does
			ctx.Stop(msg.by)
		}
	}
}

// gone: an actor has stopped. Without a last word it crashed or was cut off, and its
// remote's ID is known to peers alone, if it came that far.
func (h *handshakes) gone(ctx actor.Context, who *actor.PID) {
	if r := h.running[who.Id]; r != nil {
		if r.err = h.cutOff; r.inbound {
			r.id = enode.ID{}
		}
		h.ended(ctx, who, r)
	}
}

// ended frees what a handshake had, and tells those who count on it.
func (h *handshakes) ended(ctx actor.Context, who *actor.PID, r *running) {
	delete(h.running, who.Id)
	end := &setupEnded{by: who, id: r.id, addr: r.remote.Addr(), inbound: r.inbound, ticket: r.dial.ticket, punched: r.punched, err: r.err}
	supervise.Send(ctx, h.n.peers, end)
	if r.inbound {
		h.slots.free(r.class)
		h.serveWaiting(ctx)
	} else {
		delete(h.dials, r.dial.ticket)
	}
	if r.err != nil {
		h.report(r)
	}
	h.stopIfIdle(ctx)
}

// serveWaiting gives free slots to those that wait, known nodes first.
func (h *handshakes) serveWaiting(ctx actor.Context) {
	for class := range h.waiting {
		queue, class := &h.waiting[class], slotClass(class)
		for len(*queue) > 0 && h.slots.take(class) {
			w := (*queue)[0]
			*queue = (*queue)[1:]
			h.begin(ctx, w.conn, class)
		}
	}
}

// armWait sets the timer for the one that has waited longest.
func (h *handshakes) armWait(ctx actor.Context) {
	if h.waitTimer != nil {
		return
	}
	oldest, ok := h.oldest()
	if !ok {
		return
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	wait := max(0, waitLimit-h.n.rt.Clock.Now().Sub(oldest))
	h.waitTimer = h.n.rt.Clock.AfterFunc(wait, func() { supervise.Send(root, self, &waitOver{}) })
}

func (h *handshakes) oldest() (since time.Time, ok bool) {
	for _, queue := range h.waiting {
		if len(queue) > 0 && (!ok || queue[0].since.Before(since)) {
			since, ok = queue[0].since, true
		}
	}
	return since, ok
}

// dismiss closes those that have waited too long.
func (h *handshakes) dismiss(ctx actor.Context) {
	h.waitTimer = nil
	now := h.n.rt.Clock.Now()
	for class := range h.waiting {
		queue := &h.waiting[class]
		for len(*queue) > 0 && now.Sub((*queue)[0].since) >= waitLimit {
			h.turnAway((*queue)[0].conn, refusal.ErrPendingFull)
			*queue = (*queue)[1:]
		}
	}
	h.armWait(ctx)
}

// report tells those who listen why a connection did not become a link. Remotes come and
// go for reasons of their own, so the log has it as a detail.
func (h *handshakes) report(r *running) {
	if errors.Is(r.err, refusal.ErrObserved) {
		h.n.log.Debug("told a neighbour what we see of it", "addr", r.remote)
		return // it was no link that it wanted
	}
	direction := "outbound"
	if r.inbound {
		direction = "inbound"
	} else if list := netaddr.Endpoints(r.dial.node); len(list) > 0 {
		r.remote = list[0]
	}
	id := "unknown"
	if r.id != (enode.ID{}) {
		id = r.id.TerminalString()
	}
	h.n.log.Debug("connection not set up", "direction", direction, "addr", r.remote, "id", id, "reason", r.err)
	if h.n.hub.listened() {
		h.n.hub.publish(Event{
			Kind: SetupFailed, Time: h.n.rt.Clock.Now(), Err: r.err,
			Peer: PeerInfo{ID: r.id, RemoteAddr: r.remote, Inbound: r.inbound},
		})
	}
}

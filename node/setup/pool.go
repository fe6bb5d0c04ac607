package setup

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// maxStrangers is how many connections without a slot may be from unknown public
	// addresses. Further ones are closed at once: when maxWaiting connections wait, nothing is
	// accepted, and known nodes would wait in the kernel together with strangers.
	maxStrangers = maxWaiting / 2
	// waitLimit is how long a connection waits for a slot. Then it is closed before any
	// handshake. The remote, which has sent its auth, times out at about the same time.
	waitLimit = wire.AuthTimeout - 500*time.Millisecond
	// drainTime is how long handshakes whose remote may consider us a peer may take to end when
	// the node stops: two messages each way, at most.
	drainTime = 400 * time.Millisecond
)

// errCrashed is the error of a handshake whose actor panicked. The log has the stack.
var errCrashed = errors.New("handshake actor crashed")

// pool is the actor that owns the handshakes. It limits their number and reports how each
// ended.
type pool struct {
	*Pool
	slots    slots
	throttle throttle
	// waiting has the connections without a slot by class, oldest first.
	waiting   [numSlotClasses][]waiting
	waitTimer supervise.Timer
	running   map[string]*running   // by the ID of the handshake's PID
	dials     map[uint64]*actor.PID // by ticket
	// cutOff is the error of handshakes that end without a last message.
	cutOff   error
	stopping bool            // no handshake begins any more
	draining supervise.Timer // ends the draining; nil: not draining
}

// waiting is an accepted connection without a slot.
type waiting struct {
	conn  net.Conn
	since time.Time
}

// running is one handshake in progress.
type running struct {
	handshake *handshake     // the pool reads it when the actor has ended
	remote    netip.AddrPort // of inbound connections
	inbound   bool
	class     slotClass   // of inbound connections
	target    *enode.Node // of dials
	ticket    uint64      // of dials
	punched   bool
	id        enode.ID
	err       error
}

func newPool(p *Pool) *pool {
	for _, gauge := range []*atomic.Int64{&p.counters.inbound, &p.counters.outbound, &p.counters.waiting} {
		gauge.Store(0) // after a crash of the pool its handshakes have ended
	}
	return &pool{
		Pool: p, slots: slots{max: p.MaxPending},
		running: map[string]*running{}, dials: map[uint64]*actor.PID{},
		cutOff: errCrashed,
	}
}

func (p *pool) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *accepted:
		p.accepted(ctx, msg.conn)
	case *called:
		p.acceptPunched(ctx, msg.conn)
	case *waitOver:
		p.rejectOverdue(ctx)
	case *StartDial:
		p.startDial(ctx, msg)
	case *CancelDial:
		if pid := p.dials[msg.Ticket]; pid != nil {
			supervise.Send(ctx, pid, &abort{err: refusal.ErrCancelled})
		}
	case *done:
		p.done(ctx, msg)
	case *actor.Terminated:
		p.terminated(ctx, msg.Who)
	case *Drain:
		p.drain(ctx)
	case *drainOver:
		ctx.Stop(ctx.Self())
	case *actor.Restarting:
		p.stop(errCrashed)
	case *actor.Stopping:
		p.stop(refusal.ErrStopping)
	}
}

// drain ends the handshakes whose remote can't consider us a peer yet, and gives the others
// drainTime.
func (p *pool) drain(ctx actor.Context) {
	p.stop(refusal.ErrStopping)
	p.draining = p.Runtime.After(drainTime, ctx.Self(), &drainOver{})
	for id := range p.running {
		supervise.Send(ctx, p.Runtime.System.NewLocalPID(id), &finish{})
	}
	p.stopIfIdle(ctx)
}

func (p *pool) stopIfIdle(ctx actor.Context) {
	if p.draining != nil && len(p.running) == 0 {
		ctx.Stop(ctx.Self())
	}
}

// stop closes the connections that wait. The runtime stops the handshakes in progress. No new
// handshake may begin, because nothing would stop it.
func (p *pool) stop(why error) {
	p.stopping, p.cutOff = true, why
	for class, queue := range p.waiting {
		for _, w := range queue {
			p.reject(w.conn, why)
		}
		p.waiting[class] = nil
	}
	p.countWaiting()
	for _, t := range []supervise.Timer{p.waitTimer, p.draining} {
		if t != nil {
			t.Stop()
		}
	}
	p.draining = nil
}

// wait makes a connection wait for a slot.
func (p *pool) wait(ctx actor.Context, conn net.Conn, class slotClass) {
	p.waiting[class] = append(p.waiting[class], waiting{conn, p.Runtime.Clock.Now()})
	p.countWaiting()
	p.armWait(ctx)
}

func (p *pool) countWaiting() {
	n := 0
	for _, queue := range p.waiting {
		n += len(queue)
	}
	p.counters.waiting.Store(int64(n))
}

// begin starts the handshake of a connection that has a slot, and gives its credit back.
func (p *pool) begin(ctx actor.Context, conn net.Conn, class slotClass) {
	p.Intake.GiveBack()
	r := &running{remote: netaddr.Of(conn.RemoteAddr()), inbound: true, class: class}
	h := &handshake{Pool: p.Pool, parent: ctx.Self(), inbound: true, punched: class == slotCalled, remote: r.remote}
	h.conn.set(conn)
	p.counters.inbound.Add(1)
	p.spawn(ctx, "inbound", h, r)
}

func (p *pool) startDial(ctx actor.Context, d *StartDial) {
	if p.stopping {
		return // the dialer has stopped before
	}
	h := &handshake{Pool: p.Pool, parent: ctx.Self(), target: d.Node, static: d.Static, id: d.Node.ID(), puncher: p.puncherFor(d.Node)}
	p.counters.dialed.Add(1)
	p.counters.outbound.Add(1)
	p.dials[d.Ticket] = p.spawn(ctx, "outbound", h, &running{target: d.Node, ticket: d.Ticket, id: h.id})
}

func (p *pool) spawn(ctx actor.Context, name string, h *handshake, r *running) *actor.PID {
	pid := ctx.SpawnPrefix(p.Runtime.Props(func() actor.Actor { return h }), name)
	r.handshake = h
	p.running[pid.Id] = r
	return pid
}

// reject closes a connection before any handshake, and gives its credit back.
func (p *pool) reject(conn net.Conn, err error) {
	p.Intake.GiveBack()
	remote := netaddr.Of(conn.RemoteAddr())
	_ = conn.Close() // nothing was sent
	p.counters.refused.Add(1)
	p.report(&running{remote: remote, inbound: true, err: err})
}

// done handles the last message of a handshake.
func (p *pool) done(ctx actor.Context, msg *done) {
	if r := p.running[msg.by.Id]; r != nil {
		r.take(msg)
		p.ended(ctx, msg.by, r)
		if !p.stopping || p.draining != nil { // otherwise the runtime stops it
			ctx.Stop(msg.by)
		}
	}
}

func (r *running) take(last *done) { r.id, r.punched, r.err = last.id, last.punched, last.err }

// terminated handles the end of a handshake's actor. If the actor sent no done, it crashed or
// was stopped, and only the table knows for which node it was admitted. If the pool crashes,
// terminated comes before a done that waits in the pool's mailbox.
func (p *pool) terminated(ctx actor.Context, pid *actor.PID) {
	r := p.running[pid.Id]
	switch {
	case r == nil:
		return
	case r.handshake.last != nil:
		r.take(r.handshake.last)
	default:
		if r.err = p.cutOff; r.inbound {
			r.id = enode.ID{}
		}
	}
	p.ended(ctx, pid, r)
}

// ended frees the slot of a handshake, and reports its end.
func (p *pool) ended(ctx actor.Context, by *actor.PID, r *running) {
	delete(p.running, by.Id)
	supervise.Send(ctx, p.Peers, &peers.SetupEnded{
		By: by, ID: r.id, Addr: r.remote.Addr(), Inbound: r.inbound, Ticket: r.ticket, Punched: r.punched, Err: r.err,
		Stalled: r.err != nil && p.Runtime.Watch.Aftermath(),
	})
	if r.inbound {
		p.counters.inbound.Add(-1)
		p.slots.free(r.class)
		p.serveWaiting(ctx)
	} else {
		p.counters.outbound.Add(-1)
		delete(p.dials, r.ticket)
	}
	if r.err != nil {
		p.counters.failed.Add(1)
		p.report(r)
	}
	p.stopIfIdle(ctx)
}

// serveWaiting gives free slots to the connections that wait, those of known nodes first.
func (p *pool) serveWaiting(ctx actor.Context) {
	for class := range p.waiting {
		queue, class := &p.waiting[class], slotClass(class)
		for len(*queue) > 0 && p.slots.take(class) {
			w := (*queue)[0]
			*queue = (*queue)[1:]
			p.begin(ctx, w.conn, class)
		}
	}
	p.countWaiting()
}

// armWait sets the timer for the connection that has waited longest.
func (p *pool) armWait(ctx actor.Context) {
	if p.waitTimer != nil {
		return
	}
	oldest, ok := p.oldest()
	if !ok {
		return
	}
	wait := max(0, waitLimit-p.Runtime.Clock.Now().Sub(oldest))
	p.waitTimer = p.Runtime.After(wait, ctx.Self(), &waitOver{})
}

func (p *pool) oldest() (since time.Time, ok bool) {
	for _, queue := range p.waiting {
		if len(queue) > 0 && (!ok || queue[0].since.Before(since)) {
			since, ok = queue[0].since, true
		}
	}
	return since, ok
}

// rejectOverdue closes the connections that have waited too long.
func (p *pool) rejectOverdue(ctx actor.Context) {
	p.waitTimer = nil
	now := p.Runtime.Clock.Now()
	for class := range p.waiting {
		queue := &p.waiting[class]
		for len(*queue) > 0 && now.Sub((*queue)[0].since) >= waitLimit {
			p.reject((*queue)[0].conn, refusal.ErrPendingFull)
			*queue = (*queue)[1:]
		}
	}
	p.countWaiting()
	p.armWait(ctx)
}

// report logs why a connection did not become a link, and calls Config.Failed. It logs at debug
// level, because such failures are normal.
func (p *pool) report(r *running) {
	if errors.Is(r.err, refusal.ErrObserved) {
		p.Logger.Debug("STUN request answered", "addr", r.remote)
		return // the neighbour did not want a link
	}
	direction := "outbound"
	if r.inbound {
		direction = "inbound"
	} else if list := netaddr.Endpoints(r.target); len(list) > 0 {
		r.remote = list[0]
	}
	id := "unknown"
	if r.id != (enode.ID{}) {
		id = r.id.TerminalString()
	}
	p.Logger.Debug("connection not set up", "direction", direction, "addr", r.remote, "id", id, "reason", r.err)
	p.Failed(Failure{ID: r.id, Remote: r.remote, Inbound: r.inbound, Err: r.err})
}

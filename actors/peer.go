package actors

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/wire"
)

// grace is how long a grant may go unused while somebody waits (T7). It is long
// enough for a busy scheduler and short enough for a sibling.
const grace = 2 * time.Millisecond

// peer is one link: it supervises the children, and mints and grants the write
// token. It never writes in its own turn and waits for nobody, so that it can end
// the link at any time.
type peer struct {
	*Supervisor
	link   *Link
	owner  *actor.PID
	tokens arbiter

	ask       RequestWrite // the peer's own, for pongs
	graceOn   bool         // a timer for graceOver runs
	reader    *actor.PID
	pinger    *actor.PID
	hosts     []*actor.PID // nil: stopped
	closing   bool
	told      bool // the owner has got its LinkEnded
	stopTimer Timer
}

func newPeer(l *Link, owner *actor.PID) *peer {
	p := &peer{
		Supervisor: NewSupervisor(l.clock, l.journal),
		link:       l,
		owner:      owner,
		ask:        RequestWrite{slot: peerSlot},
		hosts:      make([]*actor.PID, len(l.hosts)),
	}
	p.tokens.writer = &frameWriter{link: l, enc: l.session.Encoder}
	return p
}

func (p *peer) Receive(ctx actor.Context) {
	defer p.noteCrash(ctx)
	if p.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.start(ctx)
	case *RequestWrite:
		p.tokens.request(msg.slot)
		p.grantNext(ctx)
	case *ReturnToken:
		p.takeBack(ctx, msg)
	case *graceOver:
		p.graceIsOver(ctx, msg)
	case *pongsDue:
		p.tokens.request(peerSlot)
		p.grantNext(ctx)
	case *readerEnded:
		p.link.end(msg.cause)
	case *closeLink:
		p.close(ctx)
	case *farewellOver:
		p.closed(ctx)
	case *stopDue:
		p.reportStuck(ctx, msg)
	case *actor.Terminated:
		p.childGone(ctx, msg.Who)
	case *actor.Stopping:
		p.stopping(ctx)
	case *actor.Stopped:
		p.record(ctx, Stopped, p.link.Cause().Error(), false)
	}
}

// noteCrash makes a crash of the peer itself the cause of the link's end. The
// owner stops a peer that crashes: what it knew of its children is lost.
func (p *peer) noteCrash(ctx actor.Context) {
	if value := recover(); value != nil {
		crash := asCrash(value, ctx.Message())
		p.link.cause.CompareAndSwap(nil, &Cause{
			Side: Local, Reason: wire.DiscSubprotocolError, Err: fmt.Errorf("peer actor: %w", crash), Stack: crash.Stack,
		})
		panic(crash)
	}
}

// start brings up the children, the reader last: what it reads needs somebody to
// go to.
func (p *peer) start(ctx actor.Context) {
	l := p.link
	p.record(ctx, Started, fmt.Sprintf("%s, %v", l.Hello().Name, l.Caps()), false)
	for i, h := range l.hosts {
		label := l.label(h.pid)
		label.Protocol = h.label
		props := hostProps(h)
		p.hosts[i] = p.spawn(ctx, props, h.protocol.Name, Care{
			Policy:    linkChild(h.protocol.Restart, h.protocol.Intensity),
			Label:     label,
			OnFailure: func(c *Crash) bool { return p.childFailed(ctx, h.slot, c) },
			OnGiveUp:  func(c *Crash) { p.gaveUpOn(h, c) },
		})
		label.Event, label.Quiet = Started, true
		p.journal.Record(label)
	}
	p.pinger = p.spawn(ctx, PropsOf(func() actor.Actor { return newPinger(l) }, l.journal, l.opts...), "pinger", Care{
		Policy:    linkChild(Permanent, Intensity{}),
		Label:     l.label(l.pid),
		OnFailure: func(c *Crash) bool { return p.childFailed(ctx, pingerSlot, c) },
		OnGiveUp:  func(c *Crash) { p.crashed("pinger", c) },
	})
	p.reader = p.spawn(ctx, PropsOf(func() actor.Actor { return &reader{link: l} }, l.journal, l.opts...), "reader", Care{
		Policy:   Policy{Restart: Temporary},
		Label:    l.label(l.pid),
		OnGiveUp: func(c *Crash) { p.crashed("reader", c) },
	})
}

// hostProps makes the host's actor from the Host, which guards itself: once for
// each batch, and with its own bookkeeping.
func hostProps(h *Host) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		return &incarnation{Host: h, behaviour: h.produce()}
	}, append([]actor.PropsOption{actor.WithSupervisor(stopFailed{})}, h.link.opts...)...)
}

func (p *peer) spawn(ctx actor.Context, props *actor.Props, name string, care Care) *actor.PID {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err)) // two protocols of one name: refused before
	}
	p.Adopt(pid, care)
	return pid
}

// grantNext gives the token to the next in line, if it is home.
func (p *peer) grantNext(ctx actor.Context) {
	if p.link.Cause() != nil {
		return // the writer is for the farewell (T6)
	}
	if t := p.tokens.grant(); t != nil {
		switch t.holder {
		case peerSlot:
			p.answerPings(ctx, t)
		case pingerSlot:
			Send(ctx, p.pinger, t)
		default:
			h := p.link.hosts[t.holder-firstProtocolSlot]
			h.grant.Store(t)
			Send(ctx, h.pid, t)
		}
	}
	p.watchGrant(ctx)
}

// watchGrant sets the timer that takes an unused grant back (T7). One timer is
// enough: when it fires and the grant is another one, it is set anew.
func (p *peer) watchGrant(ctx actor.Context) {
	if p.graceOn || !p.tokens.contested() {
		return
	}
	p.graceOn = true
	due := &graceOver{token: p.tokens.out}
	self, root := ctx.Self(), p.link.root
	p.link.clock.AfterFunc(grace, func() { Send(root, self, due) })
}

func (p *peer) graceIsOver(ctx actor.Context, msg *graceOver) {
	p.graceOn = false
	if p.tokens.contested() && p.tokens.out == msg.token {
		p.tokens.reclaim()
	}
	p.grantNext(ctx)
}

// takeBack is a token's return.
func (p *peer) takeBack(ctx actor.Context, r *ReturnToken) {
	if !p.tokens.accept(r) {
		return
	}
	if r.err != nil {
		p.link.end(p.writeFailed(r.err))
	}
	if p.closing {
		p.farewell(ctx)
		return
	}
	if r.err == nil {
		p.grantNext(ctx)
	}
}

// writeFailed turns an error of the connection into a cause.
func (p *peer) writeFailed(err error) *Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if p.link.heldSince.Load() != 0 {
			return &Cause{Side: Local, Reason: wire.DiscReadTimeout, Err: ErrMutualBackpressure}
		}
		return &Cause{Side: Local, Reason: wire.DiscReadTimeout, Err: ErrWriteTimeout}
	}
	return &Cause{Side: Network, Reason: wire.DiscNetworkError, Err: err}
}

// answerPings writes the pongs that are due. The peer must not wait for a slow
// remote, so a goroutine holds the token meanwhile.
func (p *peer) answerPings(ctx actor.Context, t *WriteToken) {
	l := p.link
	self := ctx.Self()
	Go(l.root, self, func() {
		if !t.begin() {
			Send(l.root, self, &p.ask) // taken back before it ran
			return
		}
		due := l.pongsDue.Load()
		err := l.writeBase(t, wire.PongMsg, int(due))
		if l.pongsDue.Add(-due) > 0 {
			Send(l.root, self, &pongsDue{})
		}
		select { // the reader may wait for this
		case l.wake.ch <- struct{}{}:
		default:
		}
		Send(l.root, self, t.end(err, false))
	})
}

// childFailed is told of every crash of a child that writes, while the child is
// suspended: the moment to take back what it holds (T1, T4).
func (p *peer) childFailed(ctx actor.Context, s slot, c *Crash) bool {
	if !p.tokens.failed(s) {
		p.link.end(&Cause{
			Side: Local, Reason: wire.DiscSubprotocolError, Stack: c.Stack,
			Protocol: p.protocolOf(s), Err: fmt.Errorf("died while writing: %w", c),
		})
		return false
	}
	if p.closing {
		return false
	}
	p.grantNext(ctx)
	return true
}

func (p *peer) protocolOf(s slot) string {
	if s < firstProtocolSlot {
		return ""
	}
	return p.link.hosts[s-firstProtocolSlot].label
}

// gaveUpOn is the end of a protocol that crashed too often.
func (p *peer) gaveUpOn(h *Host, crash *Crash) {
	c := h.cause(Local, wire.DiscSubprotocolError, crash)
	c.Stack = crash.Stack
	p.link.end(c)
}

func (p *peer) crashed(who string, crash *Crash) {
	p.link.end(&Cause{
		Side: Local, Reason: wire.DiscSubprotocolError, Err: fmt.Errorf("%s: %w", who, crash), Stack: crash.Stack,
	})
}

func (p *peer) record(ctx actor.Context, event, reason string, quiet bool) {
	e := p.link.label(ctx.Self())
	e.Event, e.Reason, e.Quiet = event, reason, quiet
	p.journal.Record(e)
}

package actors

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// grantTimeout is how long a grant may be unused while another child waits (T7). A busy scheduler
// needs less; a waiting sibling hardly notices it.
const grantTimeout = 2 * time.Millisecond

// peer is the supervisor of one link: it supervises the children, and mints and grants the write
// token. It never writes in its own turn and never waits, so that it can end the link at any
// time.
type peer struct {
	supervise.Supervisor
	stage  *stage
	link   *Link
	tokens arbiter

	grantTimerOn bool // a timer for grantTimeoutOver is running
	reader       *actor.PID
	pinger       *actor.PID
	hosts        []*actor.PID // nil: stopped
	closing      bool
	end          time.Time // when the socket must be closed, once closing
	parting      bool      // the farewell has begun and owns the frame writer
	announced    bool      // LinkEnded was sent to the owner
	stopTimer    supervise.Timer
}

func (s *stage) newPeer() *peer {
	l, p := &s.link, &s.peer
	*p = peer{stage: s, link: l, hosts: make([]*actor.PID, len(l.hosts))}
	p.Supervisor = *supervise.NewSupervisor(l.clock, l.journal, p)
	p.tokens.writer = &s.writer
	return p
}

func (p *peer) Receive(ctx actor.Context) {
	if p.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.start(ctx)
	case *RequestWrite:
		p.tokens.request(msg.slot)
		p.grantNext()
	case *ReturnToken:
		p.takeBack(ctx, msg)
	case *grantTimeoutOver:
		p.grantTimedOut(ctx, msg)
	case *pongsDue:
		p.tokens.request(peerSlot)
		p.grantNext()
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
		p.stopped(ctx)
	}
}

// NoteCrash makes a crash of the peer itself, or of a goroutine that it started, the cause of the
// link's end. The guard calls it. The owner stops a crashed peer, because its knowledge of its
// children is lost.
func (p *peer) NoteCrash(crash *supervise.Crash) {
	p.link.cause.CompareAndSwap(nil, &Cause{
		Side: Local, Reason: wire.DiscSubprotocolError, Err: fmt.Errorf("peer actor: %w", crash), Stack: crash.Stack,
	})
}

// start spawns the children, the reader last, because what it reads needs a receiver.
func (p *peer) start(ctx actor.Context) {
	l := p.link
	p.record(ctx, supervise.Started, fmt.Sprintf("%s, %v", l.Hello().Name, l.Caps()), false)
	for i, h := range l.hosts {
		p.hosts[i] = p.spawnHost(ctx, h)
		p.Adopt(p.hosts[i], supervise.LinkChild(h.protocol.Restart, h.protocol.Intensity))
		e := p.Describe(p.hosts[i])
		e.Actor, e.Event, e.Quiet = supervise.Path(p.hosts[i]), supervise.Started, true
		p.link.journal.Record(e)
	}
	p.pinger = p.spawn(ctx, pingerName)
	p.Adopt(p.pinger, pingerPolicy)
	p.reader = p.spawn(ctx, readerName)
	p.Adopt(p.reader, readerPolicy)
}

func (p *peer) spawn(ctx actor.Context, name string) *actor.PID {
	pid, err := ctx.SpawnNamed(p.stage.links.children, name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err)) // two protocols with one name: configuration already refuses that
	}
	return pid
}

func (p *peer) spawnHost(ctx actor.Context, h *Host) *actor.PID {
	pid := p.spawn(ctx, h.protocol.Name)
	h.pid.Store(pid)
	return pid
}

// grantNext grants the token to the next child in line, if the token is free.
func (p *peer) grantNext() {
	if p.link.Cause() != nil {
		return // the writer is reserved for the farewell (T6)
	}
	if t := p.tokens.grant(); t != nil {
		switch t.holder {
		case peerSlot:
			p.answerPings(t)
		case pingerSlot:
			supervise.Send(p.link.root, p.pinger, t)
		default:
			h := p.link.hosts[t.holder-firstProtocolSlot]
			h.grant.Store(t)
			supervise.Send(p.link.root, h.PID(), t)
		}
	} else if t := p.tokens.rest(); t != nil {
		p.link.hosts[t.holder-firstProtocolSlot].grant.Store(t)
	}
	p.watchGrant()
}

// watchGrant sets the timer that takes an unused grant back (T7). One timer is enough: if it
// fires for an older grant, it is set again.
func (p *peer) watchGrant() {
	if p.grantTimerOn || !p.tokens.contested() {
		return
	}
	p.grantTimerOn = true
	due := &grantTimeoutOver{token: p.tokens.out}
	self, root := p.link.pid, p.link.root
	p.link.clock.AfterFunc(grantTimeout, func() { supervise.Send(root, self, due) })
}

func (p *peer) grantTimedOut(ctx actor.Context, msg *grantTimeoutOver) {
	p.grantTimerOn = false
	if p.tokens.contested() && p.tokens.out == msg.token {
		p.tokens.reclaim()
	}
	p.grantNext()
}

// takeBack handles a returned token.
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
		p.grantNext()
	}
}

// writeFailed turns an error of the connection into a cause.
func (p *peer) writeFailed(err error) *Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		var held heldFor
		if p.link.heldSince.Load() != 0 {
			held = heldFor(p.link.heldFor.Load())
		}
		return &Cause{Side: Local, Reason: wire.DiscReadTimeout, Err: writeTimedOut(held)}
	}
	return &Cause{Side: Network, Reason: wire.DiscNetworkError, Err: err}
}

// answerPings writes the pongs that are due. The peer must not wait for a slow remote, so a
// goroutine holds the token meanwhile.
func (p *peer) answerPings(t *WriteToken) {
	l := p.link
	self := l.pid
	supervise.Go(l.root, self, func() {
		if !t.begin() {
			supervise.Send(l.root, self, askForPeer) // revoked before this goroutine ran
			return
		}
		due := l.pongsDue.Load()
		err := l.writeBase(t, wire.PongMsg, int(due))
		if err == nil { // after an error the link ends, and the reader stays paused until then
			l.pongsWritten(due)
		}
		supervise.Send(l.root, self, t.end(err, false))
	})
}

// pongsWritten wakes the reader, which may be waiting for pongs.
func (l *Link) pongsWritten(n int64) {
	if l.pongsDue.Add(-n) > 0 {
		supervise.Send(l.root, l.pid, &pongsDue{})
	}
	l.wake.ring()
}

// Describe implements supervise.Guardian.
func (p *peer) Describe(child *actor.PID) supervise.Step {
	e := p.link.label(child)
	if h := p.hostOf(child); h != nil {
		e.Protocol = h.label()
	}
	return e
}

func (p *peer) hostOf(child *actor.PID) *Host {
	for _, h := range p.link.hosts {
		if h.PID().Equal(child) {
			return h
		}
	}
	return nil
}

// ChildFailed implements supervise.Guardian. The child is suspended, so this is the moment to
// take back what it holds (T1, T4).
func (p *peer) ChildFailed(child *actor.PID, c *supervise.Crash) bool {
	s, protocol := pingerSlot, ""
	if h := p.hostOf(child); h != nil {
		s, protocol = h.slot, h.label()
	} else if child.Equal(p.reader) {
		return false
	}
	if !p.tokens.failed(s) {
		p.link.end(&Cause{
			Side: Local, Reason: wire.DiscSubprotocolError, Stack: c.Stack,
			Protocol: protocol, Err: fmt.Errorf("crashed while writing: %w", c),
		})
		return false
	}
	if p.closing {
		return false
	}
	p.grantNext()
	return true
}

// GaveUp implements supervise.Guardian. It ends the link when a child crashed too often, or
// crashed and must not be restarted.
func (p *peer) GaveUp(child *actor.PID, crash *supervise.Crash) {
	if h := p.hostOf(child); h != nil {
		c := h.cause(Local, wire.DiscSubprotocolError, crash)
		c.Stack = crash.Stack
		p.link.end(c)
		return
	}
	name := "reader"
	if child.Equal(p.pinger) {
		name = "pinger"
	}
	p.link.end(&Cause{
		Side: Local, Reason: wire.DiscSubprotocolError, Err: fmt.Errorf("%s: %w", name, crash), Stack: crash.Stack,
	})
}

func (p *peer) record(ctx actor.Context, event, reason string, quiet bool) {
	e := p.link.label(ctx.Self())
	e.Event, e.Reason, e.Quiet = event, reason, quiet
	p.link.journal.Record(e)
}

// The requests of the peer and of the pinger, which are the same on every link.
var (
	askForPeer   = &RequestWrite{slot: peerSlot}
	askForPinger = &RequestWrite{slot: pingerSlot}
)

// The policies of the children that every link has.
var (
	pingerPolicy = supervise.LinkChild(supervise.Permanent, supervise.Intensity{})
	readerPolicy = &supervise.Policy{Restart: supervise.Temporary}
)

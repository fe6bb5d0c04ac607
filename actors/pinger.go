package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// pinger keeps the link alive and detects when it is dead.
type pinger struct {
	link  *Link
	timer supervise.Timer
	ask   RequestWrite
}

func newPinger(l *Link) *pinger { return &pinger{link: l, ask: RequestWrite{slot: pingerSlot}} }

func (p *pinger) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.check(ctx)
	case *pingCheck:
		p.check(ctx)
	case *WriteToken:
		p.ping(ctx, msg)
	case *actor.Stopping, *actor.Restarting:
		p.stopTimer()
	}
}

func (p *pinger) stopTimer() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// check does what is due and sets the timer for the next check.
func (p *pinger) check(ctx actor.Context) {
	l := p.link
	dead, ping, again := silence{
		now:          l.now(),
		lastReceived: l.lastReceived.Load(),
		lastSent:     l.lastSent.Load(),
		lastPing:     l.lastPing.Load(),
		pingSent:     l.pingSent.Load(),
		heldSince:    l.heldSince.Load(),
		frameSince:   l.frameBegan(),
		resumed:      l.resumed(),
		probe:        l.probe.Swap(false),
	}.next()
	if dead != nil {
		l.end(&Cause{Side: Local, Reason: wire.DiscReadTimeout, Err: dead})
		return
	}
	if ping {
		l.lastPing.Store(l.now())
		supervise.Send(ctx, l.pid, &p.ask)
	}
	p.stopTimer() // a previous incarnation may have started it
	self := ctx.Self()
	p.timer = l.clock.AfterFunc(again, func() { supervise.Send(l.root, self, &pingCheck{}) })
}

// resumed returns when this node ran again after it had not run for a time, 0 if that was not during
// this link.
func (l *Link) resumed() int64 {
	at := l.watch.Resumed()
	if at.IsZero() {
		return 0
	}
	return max(0, int64(at.Sub(l.started)))
}

// Probe sends a ping now. After this node did not run for a time, the remote has 5 s to answer it.
func (l *Link) Probe() {
	l.probe.Store(true)
	supervise.Send(l.root, l.pinger, &pingCheck{})
}

// ping writes one ping.
func (p *pinger) ping(ctx actor.Context, t *WriteToken) {
	if !t.begin() {
		supervise.Send(ctx, p.link.pid, &p.ask)
		return
	}
	p.link.pingSent.Store(p.link.now()) // before the write: the pong may arrive before the write returns
	err := p.link.writeBase(t, wire.PingMsg, 1)
	supervise.Send(ctx, p.link.pid, t.end(err, false))
}

package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// pinger keeps the link alive, detects when it is dead, and makes it free its memory when it is
// quiet.
type pinger struct {
	link    *Link
	timer   supervise.Timer
	asked   bool  // the token was requested and has not come yet
	pingDue bool  // a ping waits for the token
	coolDue bool  // the writer is to be cooled when the token comes
	cooled  int64 // when cooling was last requested; 0: never
}

func (p *pinger) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.check(ctx)
	case *pingCheck:
		p.check(ctx)
	case *WriteToken:
		p.useToken(ctx, msg)
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
	ping, again, dead := silence{
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
		p.pingDue = true
	}
	if soon := p.cool(); soon != 0 {
		again = min(again, soon)
	}
	if (p.pingDue || p.coolDue) && !p.asked {
		p.asked = true
		supervise.Send(ctx, l.pid, askForPinger)
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
	supervise.Send(l.root, actor.NewPID(l.pid.Address, l.pid.Id+"/"+pingerName), &pingCheck{})
}

// cool makes the quiet directions of the link free what they hold. It returns when to check
// again, 0 if that is not necessary.
func (p *pinger) cool() time.Duration {
	l := p.link
	reader, writer, again := cooling{
		now:          l.now(),
		lastReceived: l.lastReceived.Load(),
		lastSent:     l.lastSent.Load(),
		lastTry:      p.cooled,
		readerWarm:   l.readerWarm.Load(),
		writerWarm:   l.writerWarm.Load(),
		held:         l.heldSince.Load() != 0,
	}.next()
	if reader || writer {
		p.cooled = l.now()
	}
	if reader {
		l.interruptRead()
		l.src.unpark() // a new link's reader may wait without a goroutine
	}
	p.coolDue = writer
	return again
}

// useToken cools the writer or writes a ping. A token that an earlier incarnation has requested is
// for a ping.
func (p *pinger) useToken(ctx actor.Context, t *WriteToken) {
	l := p.link
	if !t.begin() {
		supervise.Send(ctx, l.pid, askForPinger)
		return
	}
	var err error
	if p.coolDue && !p.pingDue {
		t.cool()
	} else {
		l.pingSent.Store(l.now()) // before the write: the pong may arrive before the write returns
		err = l.writeBase(t, wire.PingMsg, 1)
	}
	p.asked, p.pingDue, p.coolDue = false, false, false
	supervise.Send(ctx, l.pid, t.end(err, false))
}

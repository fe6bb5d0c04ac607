package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// farewellTimeout is the time to write the remaining sealed bytes and one Disconnect (T6).
	farewellTimeout = time.Second
	// lingerTimeout is how long the end of the link may take with the wait for the remote to close
	// after our Disconnect, so that a reset does not overtake it.
	lingerTimeout = 2 * time.Second
	// stopTimeout is how long children may take to stop before the journal names them.
	stopTimeout = 2 * time.Second
)

// close begins the end of the link, once; the cause is set already. Children stop in reverse
// order of their start, except the reader, which keeps reading and discarding until the socket is
// closed.
func (p *peer) close(ctx actor.Context) {
	if p.closing {
		return
	}
	p.closing = true
	now := time.Now()
	p.end = now.Add(lingerTimeout)
	if by := p.link.closeBy.Load(); by != 0 {
		p.end = earlier(p.end, time.Unix(0, by))
	}
	p.link.setFinalDeadline(earlier(p.end, now.Add(farewellTimeout)))
	writerFree := p.tokens.close()
	p.stopChild(ctx, p.pinger)
	for i := len(p.hosts) - 1; i >= 0; i-- {
		p.stopChild(ctx, p.hosts[i])
	}
	self, root := ctx.Self(), p.link.root
	p.stopTimer = p.link.clock.AfterFunc(stopTimeout, func() { supervise.Send(root, self, &stopDue{after: stopTimeout}) })
	if writerFree || p.tokens.dead {
		p.farewell(ctx)
	}
	// Otherwise a child is writing; the deadline makes it return the token within a second.
}

func (p *peer) stopChild(ctx actor.Context, pid *actor.PID) {
	if pid != nil {
		p.Release(pid)
		ctx.Stop(pid)
	}
}

// farewell sends the Disconnect if that is possible, and closes the socket, at p.end at the latest.
// It waits for the remote, so it runs in a goroutine.
func (p *peer) farewell(ctx actor.Context) {
	p.parting = true
	l, w := p.link, p.tokens.writer
	cause := l.Cause()
	dead, end := p.tokens.dead, p.end
	self := ctx.Self()
	supervise.Go(l.root, self, func() {
		defer supervise.Send(l.root, self, &farewellOver{})
		defer l.conn.Close() // an error here has no remedy
		defer w.drop()
		if cause.Side == Local && !dead && w.disconnect(cause.Reason) == nil {
			l.linger(end)
		}
	})
}

// disconnect writes the remaining sealed bytes and one Disconnect, within the link's final
// deadline.
func (w *frameWriter) disconnect(reason wire.DiscReason) error {
	if err := w.flush(farewellTimeout, farewellTimeout); err != nil {
		return err
	}
	frame, err := appendBase(nil, wire.DiscMsg, wire.AppendDisconnect(nil, reason), w.link.snappy)
	if err != nil {
		return err
	}
	return w.write(frame, nil)
}

// writeBase writes count messages of the base protocol, each with an empty payload.
func (l *Link) writeBase(t *WriteToken, code uint64, count int) error {
	var frames []byte
	for range count {
		var err error
		if frames, err = appendBase(frames, code, emptyList, l.snappy); err != nil {
			return err
		}
	}
	return t.write(frames, nil)
}

var emptyList = []byte{0xC0}

func appendBase(dst []byte, code uint64, payload []byte, snappy bool) ([]byte, error) {
	if snappy {
		return wire.AppendCompressed(dst, code, payload)
	}
	return wire.AppendFrame(dst, code, payload)
}

// closed runs when the socket is closed. The owner may use the slot again; the peer stops once
// its children have stopped.
func (p *peer) closed(ctx actor.Context) {
	p.notifyOwner(ctx)
	ctx.Stop(ctx.Self())
}

func (p *peer) notifyOwner(ctx actor.Context) {
	if p.announced {
		return
	}
	p.announced = true
	p.link.done.close()
	supervise.Send(ctx, p.stage.owner, &LinkEnded{Link: p.link, Cause: p.link.Cause()})
}

// childGone handles the end of a child. A protocol that stopped by itself has returned and ends
// the link, as in go-ethereum; a permanent protocol is started again.
func (p *peer) childGone(ctx actor.Context, child *actor.PID) {
	for i, pid := range p.hosts {
		if pid != nil && pid.Equal(child) {
			p.hostGone(ctx, i)
			return
		}
	}
	p.Release(child)
	if p.pinger != nil && p.pinger.Equal(child) {
		p.pinger = nil
		p.orphaned(ctx, pingerSlot)
	}
	if p.reader != nil && p.reader.Equal(child) {
		p.reader = nil
	}
}

func (p *peer) hostGone(ctx actor.Context, i int) {
	h := p.link.hosts[i]
	p.hosts[i] = nil
	e := p.link.label(h.PID())
	e.Protocol, e.Event, e.Quiet = h.label(), supervise.Stopped, true
	if p.link.Cause() == nil {
		e.Event, e.Quiet = supervise.Returned, false
	}
	p.link.journal.Record(e)
	p.orphaned(ctx, h.slot)
	if p.link.Cause() == nil && p.Ended(h.PID()) {
		p.hosts[i] = p.spawnHost(ctx, h)
		p.grantNext()
		return
	}
	p.Release(h.PID())
	h.release()
	p.link.end(h.cause(Local, wire.DiscQuitting, ErrReturned))
}

// orphaned handles a token whose holder is gone: a farewell that waited for its return can begin.
func (p *peer) orphaned(ctx actor.Context, s slot) {
	held := p.tokens.out != nil && p.tokens.out.holder == s
	p.tokens.failed(s)
	if held && p.closing && p.tokens.out == nil { // otherwise its return is still on the way
		p.farewell(ctx)
	}
}

// reportStuck records the children that have not stopped. A handler that never returns cannot be
// ended; the socket is closed nevertheless, and the slot is free.
func (p *peer) reportStuck(ctx actor.Context, msg *stopDue) {
	for i, pid := range p.hosts {
		if pid != nil {
			e := p.link.label(pid)
			e.Protocol, e.Event = p.link.hosts[i].label(), supervise.Stopped
			e.Reason = fmt.Sprintf("still in a handler %v after the link's end", msg.after)
			p.link.journal.Record(e)
		}
	}
}

// stopping runs when the peer itself stops. Normally everything is closed by then. If the owner
// stops the peer without a farewell, or the peer crashed, the socket must not stay open.
func (p *peer) stopping(ctx actor.Context) {
	p.link.cause.CompareAndSwap(nil, &Cause{Side: Local, Reason: wire.DiscQuitting})
	p.link.ctx.end(p.link.Cause())
	p.link.src.unpark()
	_ = p.link.conn.Close() // usually closed already
	p.notifyOwner(ctx)
}

// stopped runs when all children are gone.
func (p *peer) stopped(ctx actor.Context) {
	if p.stopTimer != nil {
		p.stopTimer.Stop()
	}
	// Without a farewell, sealed and unwritten bytes may be left. Only a goroutine that answers
	// pings may still use them, and its memory is not pooled.
	if out := p.tokens.out; !p.parting && (out == nil || out.holder != peerSlot) {
		p.tokens.writer.drop()
	}
	p.record(ctx, supervise.Stopped, p.link.Cause().Error(), false)
	p.stage.links.remove(p.stage)
}

// linger gives the remote time to read our Disconnect: it closes our half and waits for the
// remote to close, while the reader discards what arrives. It returns at the time until, also if the
// reader is late.
func (l *Link) linger(until time.Time) {
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	l.lingerUntil.Store(until.UnixNano())
	if l.conn.SetReadDeadline(until) != nil {
		return
	}
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	select {
	case <-l.unread.done():
	case <-over.C:
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

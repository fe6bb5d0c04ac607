package actors

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// seqAhead is how many bytes of a sequence are queued ahead of the writer: two grants.
const seqAhead = 2 * quantum

// remainingTimeout is for how long, at the end of a link, messages are delivered that the remote had sent before.
const remainingTimeout = 250 * time.Millisecond

// maxIdleQueue limits the memory that an idle host keeps after a rare backlog.
const maxIdleQueue = 16

// incarnation is the host's actor, with one incarnation of the behaviour. A restart makes a new
// one for the same Host.
type incarnation struct {
	*Host
	behaviour Behaviour
	slice     timeSlice
	// deliverUntil is until when the remote's remaining messages are delivered; zero: the link has not ended.
	deliverUntil time.Time
}

// Receive is one turn. Frames sent during it go out with one grant.
func (i *incarnation) Receive(ctx actor.Context) {
	defer i.leaveTurn(ctx)
	i.slice = timeSlice{}
	i.outbox.beginTurn()
	switch msg := ctx.Message().(type) {
	case *batchDue:
		i.queue = i.inbox.take(i.queue)
		i.work(ctx)
	case *WriteToken:
		i.useToken(ctx, msg)
	case *actor.Started:
		i.start(ctx)
	case *actor.Stopping:
		i.down(ctx)
	case *actor.Restarting, *actor.Stopped:
		if i.behaviour != nil {
			i.behaviour.Other(ctx)
		}
	default:
		if !supervise.PanicIfCrash(ctx) {
			i.other(ctx)
		}
	}
}

// leaveTurn ends the turn, including one that panicked. In that case the supervisor decides, and
// the new incarnation requests the token. A panic while stopping is only recorded in the journal,
// because protoactor would otherwise never stop the parent.
func (i *incarnation) leaveTurn(ctx actor.Context) {
	value := recover()
	request := i.outbox.endTurn()
	if value == nil {
		if request && !i.useResting(ctx) {
			supervise.Send(ctx, i.link.pid, &i.ask)
		}
		return
	}
	crash := supervise.AsCrash(value, ctx.Message())
	switch ctx.Message().(type) {
	case *actor.Stopping, *actor.Stopped, *actor.Restarting:
		i.recordLateCrash(ctx, crash)
	default:
		if !crash.Injected {
			i.stopSeq() // the crashed answer is lost, and so is the message that it answers
		}
		panic(crash)
	}
}

func (i *incarnation) start(ctx actor.Context) {
	i.outbox.forgetRequest()
	i.held = false
	i.behaviour = i.produce()
	i.behaviour.Other(ctx)
	i.behaviour.Up(ctx)
	// If the previous incarnation stopped, the mailbox with its batchDue is lost, so the inbox is
	// checked here.
	i.queue = i.inbox.take(i.queue)
	i.work(ctx)
}

// down reports the link's end to the behaviour and releases all that the host holds. A permanent
// protocol that stops by itself does neither: the next incarnation continues with the same state.
func (i *incarnation) down(ctx actor.Context) {
	i.stopSeq()
	cause := i.link.Cause()
	if cause != nil && cause.Side != Local && i.behaviour != nil {
		i.deliverRemaining(ctx)
	}
	comesBack := cause == nil && i.protocol.Restart == supervise.Permanent
	if !comesBack {
		i.release()
	}
	if i.behaviour == nil {
		return // making the behaviour panicked
	}
	if !comesBack {
		if cause == nil { // the protocol stopped by itself or by its supervisor; the link did not end
			cause = i.cause(Local, wire.DiscRequested, ErrReturned)
		}
		i.behaviour.Down(ctx, cause)
	}
	i.behaviour.Other(ctx)
}

// deliverRemaining delivers what the remote sent before it ended the link, for a limited time (R3). What
// the behaviour sends meanwhile is refused. A panic loses the rest.
func (i *incarnation) deliverRemaining(ctx actor.Context) {
	defer func() {
		if value := recover(); value != nil {
			i.recordLateCrash(ctx, supervise.AsCrash(value, ctx.Message()))
		}
	}()
	i.outbox.close()
	i.queue = i.inbox.take(i.queue)
	i.deliverUntil = i.link.clock.Now().Add(remainingTimeout)
	for len(i.queue) > 0 && !i.held && i.mayDeliver() && i.deliver(ctx, i.queue[0]) {
		i.queue[0].free()
		i.queue = slices.Delete(i.queue, 0, 1)
	}
}

// mayDeliver reports whether the behaviour may get the remote's next message.
func (i *incarnation) mayDeliver() bool {
	if i.deliverUntil.IsZero() {
		return i.link.Cause() == nil
	}
	return i.link.clock.Now().Before(i.deliverUntil)
}

// recordLateCrash records a panic that no supervisor restarts, because the link has ended.
func (i *incarnation) recordLateCrash(ctx actor.Context, crash *supervise.Crash) {
	e := i.link.label(ctx.Self())
	e.Event, e.Reason, e.Stack = supervise.Failed, crash.Error()+" while stopping", string(crash.Stack)
	i.link.journal.Record(e)
}

// other delivers a message of another actor, or keeps it until the sequence ends.
func (i *incarnation) other(ctx actor.Context) {
	if i.seq != nil {
		i.deferred = append(i.deferred, deferred{message: ctx.Message(), sender: ctx.Sender()})
		return
	}
	i.behaviour.Other(ctx)
	i.work(ctx)
}

// work delivers to the behaviour while delivery is allowed: first the messages that a sequence
// deferred, then the remote's messages in order.
func (i *incarnation) work(ctx actor.Context) {
	for {
		if !i.pull() {
			i.paused.Store(true)
			return
		}
		if i.link.Cause() != nil {
			return // stopping the actor returns the rest
		}
		if i.outbox.drained() {
			i.drained(ctx)
			continue
		}
		if len(i.deferred) > 0 {
			first := i.deferred[0]
			i.deferred = slices.Delete(i.deferred, 0, 1)
			i.behaviour.Other(replayed{Context: ctx, deferred: first})
			continue
		}
		if len(i.queue) == 0 {
			i.paused.Store(false)
			if cap(i.queue) > maxIdleQueue {
				i.queue = nil
			}
			return
		}
		if i.outbox.over() {
			i.paused.Store(true)
			return
		}
		i.paused.Store(false)
		if i.held {
			return
		}
		if i.deliver(ctx, i.queue[0]) {
			i.queue[0].free()
			i.queue = slices.Delete(i.queue, 0, 1)
		}
	}
}

// drained notifies the behaviour that the outbox has room. What it sends in this call counts as
// answers, because these are the answers that it kept.
func (i *incarnation) drained(ctx actor.Context) {
	i.outbox.answering.Store(true)
	defer i.outbox.answering.Store(false)
	i.behaviour.Drained(ctx)
}

// deliver passes messages of a batch to the behaviour until the batch is finished or the host
// must pause. It returns true when the batch is finished.
func (i *incarnation) deliver(ctx actor.Context, b *batch) bool {
	i.outbox.answering.Store(true)
	defer i.outbox.answering.Store(false)
	for b.next < len(b.items) {
		it := &b.items[b.next]
		b.next++ // handled even if it crashes: the crashing message is the only one lost
		i.lastCode.Store(int64(it.code))
		if it.size > largeMessage {
			supervise.Yield() // hosts that have large messages handle them one at a time, and others run in between
		}
		err := i.handle(ctx, b, it)
		if err != nil {
			i.breach(err)
			b.next = len(b.items)
			break
		}
		if i.slice.over(it.size, i.link.clock) {
			supervise.Yield()
		}
		if t := i.grant.Load(); t != nil && !t.resting {
			i.outbox.answering.Store(false)
			i.writeGrant(ctx, t)
			i.outbox.answering.Store(true)
		}
		if i.seq != nil || i.held || i.outbox.over() || !i.mayDeliver() {
			break
		}
	}
	if b.next < len(b.items) {
		return false
	}
	i.giveCredit(b.cost) // what its buffers cost
	b.cost = 0
	return true
}

// handle passes one message to the behaviour and returns its credit, even when the behaviour
// panics.
func (i *incarnation) handle(ctx actor.Context, b *batch, it *item) error {
	defer func(n int64) {
		b.cost -= n
		i.giveCredit(n)
	}(it.cost())
	return i.behaviour.Message(ctx, Inbound{
		Code: it.code, Payload: it.payload, Size: it.size, ReceivedAt: b.at, WireSize: it.wire,
	})
}

// breach ends the link because the remote sent something invalid.
func (i *incarnation) breach(err error) {
	if c, ok := err.(*Cause); ok {
		i.link.end(c)
		return
	}
	i.link.end(i.cause(Local, wire.DiscProtocolError, err))
}

// pull queues what the sequence yields, a little ahead of the writer. It returns true when no
// sequence is left.
func (i *incarnation) pull() bool {
	for i.seq != nil {
		if i.outbox.fill() >= seqAhead {
			return false
		}
		if !i.seq.held {
			var ok bool
			if i.seq.code, i.seq.payload, ok = i.seq.next(); !ok {
				i.stopSeq()
				return true
			}
		}
		switch err := i.send(i.seq.code, i.seq.payload, sendMode{}); err {
		case nil:
			i.seq.held = false
		case ErrOutboxFull: // other senders filled it; the payload stays valid until the next pull
			i.seq.held = true
			return false
		case ErrLinkDown:
			i.stopSeq()
		default: // a bad code or size is a bug of the protocol, and the remote waits for the rest
			i.stopSeq()
			panic(err)
		}
	}
	return true
}

func (i *incarnation) stopSeq() {
	if i.seq != nil {
		i.seq.stop()
		i.seq = nil
	}
}

// useResting writes, at the end of a turn, with the token if that rests with this host. It returns false
// if it does not, or if something waits for room in the outbox: that needs one more turn, which the
// message with the token is.
func (i *incarnation) useResting(ctx actor.Context) bool {
	t := i.grant.Load()
	if t == nil || !t.resting || i.link.Cause() != nil {
		return false
	}
	if i.seq != nil || len(i.queue)+len(i.deferred) > 0 || i.outbox.refused.Load() != 0 {
		return false
	}
	return i.writeGrant(ctx, t)
}

// useToken handles a token from the mailbox. It may have been used already, in the middle of a
// batch, or have been revoked.
func (i *incarnation) useToken(ctx actor.Context, t *WriteToken) {
	if i.writeGrant(ctx, t) {
		i.work(ctx)
		return
	}
	if t.state.Load() == revoked && i.outbox.answered() {
		supervise.Send(ctx, i.link.pid, &i.ask)
	}
}

// writeGrant writes what one grant allows. It returns false when the token is stale.
func (i *incarnation) writeGrant(ctx actor.Context, t *WriteToken) bool {
	i.grant.CompareAndSwap(t, nil)
	if !t.begin() {
		return false
	}
	var err error
	if c, ok := i.outbox.take(); ok {
		before := i.paused.Swap(true) // a remote that does not read blocks this write
		i.writing.Store(int64(c.n))
		if err = t.write(c.frames(), c.buf); err == nil { // after an error the link ends, and its cause says what was left
			i.writing.Store(0)
		}
		i.paused.Store(before)
	}
	supervise.Send(ctx, i.link.pid, t.end(err, i.outbox.answered()))
	return true
}

// deferred is a message of another actor that arrived during a sequence.
type deferred struct {
	message any
	sender  *actor.PID
}

// replayed is the context in which a deferred message is delivered: the host's context with the
// deferred message and its sender.
type replayed struct {
	actor.Context
	deferred
}

func (r replayed) Message() any          { return r.message }
func (r replayed) Sender() *actor.PID    { return r.sender }
func (r replayed) Forward(to *actor.PID) { r.RequestWithCustomSender(to, r.message, r.sender) }
func (r replayed) Respond(response any) {
	if r.sender != nil {
		supervise.Send(r.Context, r.sender, response)
	}
}

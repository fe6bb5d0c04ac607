package protocols

import (
	"fmt"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// forwardCost is what a message is counted with beside its bytes, for the memory that it
// takes while it waits.
const forwardCost = 64

// PassOn gives a message to the protocol's service, which gets it as it is, with the link's
// actor as its sender: ctx.Respond in the service answers that. While the service lags so
// far behind that messages of this link with as many bytes as [Limits].Inbound wait for it,
// the link's actor gets nothing more of the remote; other actors reach it all the same. So a
// service that is slow, or down, holds remotes back instead of filling memory, and in the
// end a link whose service is stuck ends as any that is stalled.
//
// Only the link's actor may call it, from Receive. What is counted are the bytes of the
// message at hand, from which msg is taken to be made. A crash of the service loses the
// message that it was handling.
func (l *Link) PassOn(msg any) {
	if l.onward == nil {
		panic(fmt.Sprintf("protocols: PassOn(%T), but the Spec of %s has no Service", msg, l.set.label))
	}
	l.onward.pass(l, msg)
}

// onward counts what of one link waits for the service.
type onward struct {
	limit   int64
	size    int // of the message at hand; the link's actor alone
	waiting atomic.Int64
}

// passedOn is a message on its way to the service.
type passedOn struct {
	link    *Link
	message any
	cost    int64
}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging: a service may be gone
// before the last link.
func (*passedOn) IgnoreDeadLetterLogging() {}

// serviceCaughtUp goes to the link's actor from the service.
type serviceCaughtUp struct{}

func (o *onward) pass(l *Link, msg any) {
	p := &passedOn{link: l, message: msg, cost: int64(o.size + forwardCost)}
	if o.waiting.Add(p.cost) >= o.limit {
		l.host.Hold(true)
	}
	if s := l.service; s.pid != nil {
		s.root.RequestWithCustomSender(s.pid, p, l.host.PID())
	}
}

// handled is called by the service when it is done with a message, or crashed over it.
func (p *passedOn) handled() {
	o := p.link.onward
	half := o.limit / 2
	if left := o.waiting.Add(-p.cost); left < half && left+p.cost >= half {
		p.link.host.Tell(&serviceCaughtUp{})
	}
}

// caughtUp lets the remote's messages come again.
func (o *onward) caughtUp(l *Link) {
	if o.waiting.Load() < o.limit {
		l.host.Hold(false)
	}
}

// passedOn gives the service what a link's actor passed on.
func (v *serviceActor) passedOn(ctx actor.Context, msg *passedOn) {
	defer msg.handled()
	v.receive(messageContext{Context: ctx, message: msg.message})
}

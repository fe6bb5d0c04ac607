package protocols

import (
	"fmt"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// forwardCost is what a message costs beyond its bytes, for the memory that it uses while it
// waits.
const forwardCost = 64

// PassOn sends a message unchanged to the protocol's service, with the link's actor as the
// sender: ctx.Respond in the service answers that actor. When the messages of this link that wait
// for the service reach [Limits].Inbound bytes, the link's actor gets nothing more from the
// remote; other actors still reach it. So a slow or restarting service holds remotes back instead
// of filling memory, and a link whose service is stuck ends in the same way as a stalled one.
//
// Only the link's actor may call it, from Receive. The bytes of the current message of the remote
// are counted, because msg is assumed to be made from it. A crash of the service loses the
// message that it was handling.
func (l *Link) PassOn(msg any) {
	if l.onward == nil {
		panic(fmt.Sprintf("protocols: PassOn(%T), but the Spec of %s has no Service", msg, l.set.label))
	}
	l.onward.pass(l, msg)
}

// onward counts the messages of one link that wait for the service.
type onward struct {
	limit   int64
	size    int // of the current message; only the link's actor uses it
	waiting atomic.Int64
}

// passedOn is a message on its way to the service, which may stop before the last link.
type passedOn struct {
	supervise.Late
	link    *Link
	message any
	cost    int64
}

// serviceCaughtUp is sent by the service to the link's actor.
type serviceCaughtUp struct{}

func (o *onward) pass(l *Link, msg any) {
	p := &passedOn{link: l, message: msg, cost: int64(o.size + forwardCost)}
	if o.waiting.Add(p.cost) >= o.limit {
		l.holdFor(heldByService, true)
	}
	if s := l.service; s.pid != nil {
		s.root.RequestWithCustomSender(s.pid, p, l.host.PID())
	}
}

// handled is called by the service after it handled a message, or crashed in it.
func (p *passedOn) handled() {
	o := p.link.onward
	half := o.limit / 2
	if left := o.waiting.Add(-p.cost); left < half && left+p.cost >= half {
		p.link.host.Tell(&serviceCaughtUp{})
	}
}

// caughtUp resumes the delivery of the remote's messages.
func (o *onward) caughtUp(l *Link) {
	if o.waiting.Load() < o.limit {
		l.holdFor(heldByService, false)
	}
}

// passedOn delivers to the service what a link's actor passed on.
func (v *serviceActor) passedOn(ctx actor.Context, msg *passedOn) {
	defer msg.handled()
	v.receive(messageContext{Context: ctx, message: msg.message})
}

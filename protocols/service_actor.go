package protocols

import (
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// serviceActor is one incarnation of the protocol's service. It ensures that the incarnation is
// notified once of each link's start and once of its end, whatever the previous incarnation
// received.
type serviceActor struct {
	service   *service
	actor     actor.Actor // nil if making it failed
	announced []*guest
	ctx       serviceContext
}

// serviceContext is the service's context with the actor's message in it.
type serviceContext struct{ messageContext }

// Stop refuses to stop the service itself, because the service is permanent: it is only
// restarted.
func (c *serviceContext) Stop(pid *actor.PID) {
	c.check(pid)
	c.Context.Stop(pid)
}

// Poison refuses in the same way.
func (c *serviceContext) Poison(pid *actor.PID) {
	c.check(pid)
	c.Context.Poison(pid)
}

func (c *serviceContext) check(pid *actor.PID) {
	if pid.Equal(c.Self()) {
		panic("protocols: a service does not stop by itself; it ends with the node or when its protocol is removed")
	}
}

func (v *serviceActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		v.start(ctx)
	case *linkNews:
		v.news(ctx, msg)
	case *passedOn:
		v.passedOn(ctx, msg)
	case *actor.Stopping:
		v.stop(ctx)
	case *actor.Stopped:
		v.stopped(ctx)
	default:
		v.pass(ctx)
	}
}

func (v *serviceActor) start(ctx actor.Context) {
	if v.service.produce == nil {
		return
	}
	if v.actor = v.service.produce(); v.actor == nil {
		panic(fmt.Errorf("protocol %s: Service returned nil", v.service.name))
	}
	v.pass(ctx)
	for _, g := range v.service.joined() {
		v.join(ctx, g)
	}
}

// news passes on what this incarnation has not received yet. It is not notified of a link that
// ended while there was no incarnation.
func (v *serviceActor) news(ctx actor.Context, msg *linkNews) {
	announced := slices.Contains(v.announced, msg.guest)
	switch {
	case !msg.left && !announced:
		v.join(ctx, msg.guest)
	case msg.left && announced:
		v.leave(ctx, msg.guest)
	}
}

// stop handles the end of the service, at which the messages in the mailbox are lost. The links
// that have left are still recorded in service.
func (v *serviceActor) stop(ctx actor.Context) {
	defer v.pass(ctx) // even if the calls before it panic
	for _, g := range slices.Clone(v.announced) {
		if v.service.hasLeft(g) {
			v.leave(ctx, g)
		}
	}
}

// stopped comes when the service's children have stopped, too.
func (v *serviceActor) stopped(ctx actor.Context) {
	if v.service.env != nil {
		defer v.service.env.close()
	}
	v.pass(ctx)
}

func (v *serviceActor) join(ctx actor.Context, g *guest) {
	joined := &LinkJoined{Link: g.link, Restarted: g.known}
	g.known = true
	v.announced = append(v.announced, g)
	v.deliver(ctx, joined)
}

func (v *serviceActor) leave(ctx actor.Context, g *guest) {
	v.announced = slices.DeleteFunc(v.announced, func(other *guest) bool { return other == g })
	v.deliver(ctx, &LinkLeft{Link: g.link, Cause: g.cause})
}

// pass delivers the current message unchanged to the actor.
func (v *serviceActor) pass(ctx actor.Context) {
	v.receive(messageContext{Context: ctx, message: ctx.Message()})
}

// deliver passes a message without a sender to the actor.
func (v *serviceActor) deliver(ctx actor.Context, msg any) {
	v.receive(messageContext{Context: ctx, message: msg, ofLink: true})
}

func (v *serviceActor) receive(ctx messageContext) {
	if v.actor == nil {
		return
	}
	v.ctx = serviceContext{ctx}
	v.actor.Receive(&v.ctx)
	v.ctx = serviceContext{messageContext{Context: ctx.Context}}
}

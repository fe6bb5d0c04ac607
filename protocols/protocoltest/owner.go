package protocoltest

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/protocols"
)

// owner is the actor above a link and the protocol's service, as a node's root and its peers
// actor are for all links. It starts the link and reports when the link's actors are gone.
type owner struct {
	*supervise.Supervisor
	end     *End
	cfg     actors.Config
	common  actors.Common
	mounted *protocols.Mounted
	service *actor.PID   // nil if there is none
	result  chan<- error // receives the result of the start
	ending  bool
}

// finish is sent to the owner when the link's actors are gone: stop the service, then the owner.
type finish struct{}

func (o *owner) Receive(ctx actor.Context) {
	if o.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		o.result <- o.start(ctx)
	case *actor.Terminated:
		o.gone(ctx, msg.Who)
	case *finish:
		o.finish(ctx)
	case *actor.Stopped:
		close(o.end.stopped)
	}
}

func (o *owner) start(ctx actor.Context) error {
	if o.mounted.HasService() {
		name := "service-" + o.mounted.Spec.Name
		o.service = actor.NewPID(ctx.Self().Address, ctx.Self().Id+"/"+name)
		o.mounted.ServeAt(ctx.ActorSystem().Root, o.service)
		if _, err := ctx.SpawnNamed(supervise.PropsOf(o.mounted.NewService, o.common.Journal), name); err != nil {
			return err
		}
		o.Adopt(o.service, &supervise.ServicePolicy)
	}
	link, err := actors.NewLinks(o.common).Spawn(ctx, o.cfg)
	o.end.link = link
	return err
}

func (o *owner) gone(ctx actor.Context, pid *actor.PID) {
	switch {
	case o.service == nil || !pid.Equal(o.service):
		close(o.end.gone)
	case o.ending:
		ctx.Stop(ctx.Self())
	}
}

func (o *owner) finish(ctx actor.Context) {
	if o.service == nil {
		ctx.Stop(ctx.Self())
		return
	}
	o.ending = true
	o.Release(o.service)
	ctx.Stop(o.service)
}

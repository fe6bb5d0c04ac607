package protocoltest

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// owner is the actor above a link's: what a node's peers actor is for all of its
// links. It starts the link and tells when the link's actors are gone.
type owner struct {
	end    *End
	cfg    actors.Config
	result chan<- error // of the start
}

func (o *owner) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		link, err := actors.Spawn(ctx, o.cfg)
		o.end.link = link
		o.result <- err
	case *actor.Terminated:
		close(o.end.gone)
	case *actor.Stopped:
		close(o.end.stopped)
	}
}

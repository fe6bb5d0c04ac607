package crawl

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// Names of the crawl's children, in the order of their start.
const (
	archiveName   = "archive"
	discoveryName = "discovery"
	walkerName    = "walker"
)

// crawler is the root actor. It starts its children and ends them in reverse order.
type crawler struct {
	*shared
	*supervise.Supervisor
	discover *actor.Props
	running  []*actor.PID
	ending   bool
}

func (c *crawler) Receive(ctx actor.Context) {
	if c.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		c.start(ctx)
	case *finish, *quiet:
		c.end(ctx)
	case *writeFailed:
		if c.err == nil {
			c.err = msg.err
		}
		c.end(ctx)
	case *actor.Terminated:
		c.childGone(ctx, msg.Who)
	case *actor.Stopped:
		if !c.ending && c.err == nil {
			c.err = errCrashed
		}
		close(c.done)
	}
}

func (c *crawler) start(ctx actor.Context) {
	child := func(name string) *actor.PID { return ctx.ActorSystem().NewLocalPID(ctx.Self().Id + "/" + name) }
	c.archive, c.discovery = child(archiveName), child(discoveryName)
	c.spawn(ctx, archiveName, supervise.PropsOf(func() actor.Actor { return &archive{shared: c.shared} }, c.Journal))
	c.spawn(ctx, discoveryName, c.discover)
	c.spawn(ctx, walkerName, c.walkerProps())
}

// walkerProps makes a new supervisor for each incarnation, because a restart ends all
// visits.
func (c *crawler) walkerProps() *actor.Props {
	return supervise.PropsOf(func() actor.Actor {
		return &walker{
			shared: c.shared, Supervisor: supervise.NewSupervisor(c.Clock, c.Journal, nil), visits: map[string]*enode.Node{},
		}
	}, c.Journal)
}

func (c *crawler) spawn(ctx actor.Context, name string, props *actor.Props) {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(err) // impossible: the names are unique
	}
	c.running = append(c.running, pid)
	c.Adopt(pid, &supervise.Resident)
}

// end begins to end the children; a second call does nothing.
func (c *crawler) end(ctx actor.Context) {
	if !c.ending {
		c.ending = true
		c.endLast(ctx)
	}
}

// endLast ends the child that was started last, or the crawl if no child remains.
func (c *crawler) endLast(ctx actor.Context) {
	if len(c.running) == 0 {
		ctx.Stop(ctx.Self())
		return
	}
	last := c.running[len(c.running)-1]
	c.Release(last)
	switch last.Id {
	case c.archive.Id:
		supervise.Send(ctx, last, &closeArchive{})
	case c.discovery.Id:
		supervise.Send(ctx, last, &discovery.Leave{})
	default:
		ctx.Stop(last)
	}
}

func (c *crawler) childGone(ctx actor.Context, who *actor.PID) {
	if n := len(c.running); c.ending && n > 0 && c.running[n-1].Equal(who) {
		c.running = c.running[:n-1]
		c.endLast(ctx)
	}
}

// Progress is the progress of a crawl.
type Progress struct {
	Known    int           // nodes, those of earlier crawls included
	Visited  int           // visits that have ended
	Alive    int           // visits that were answered
	UnderWay int           // visits in progress
	Due      int           // visits that are due and not begun, counted up to 1024
	Left     int           // nodes that were ignored, because of the limits in all or per address
	Quiet    time.Duration // time since anything new came
}

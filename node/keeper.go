package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// keeper wraps an actor that stands above links. Restarting it protoactor's way would
// stop its children, so that one bug cost every link of the node. The keeper puts a
// fresh actor in its place instead, while children and mailbox stay; such an actor keeps
// nothing of its own that it can't do without.
type keeper struct {
	produce  func() actor.Actor
	inner    actor.Actor
	journal  *actors.Journal
	restarts int
}

// keptProps makes the Props of an actor inside a keeper. failed children of it go to
// the strategy.
func keptProps(j *actors.Journal, children actor.SupervisorStrategy, produce func() actor.Actor) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		guarded := func() actor.Actor { return actors.Guard(produce(), j) }
		return &keeper{produce: guarded, inner: guarded(), journal: j}
	}, actor.WithSupervisor(children))
}

func (k *keeper) Receive(ctx actor.Context) {
	defer k.replace(ctx)
	k.inner.Receive(ctx)
}

func (k *keeper) replace(ctx actor.Context) {
	value := recover()
	if value == nil {
		return
	}
	crash, ok := value.(*actors.Crash)
	if !ok {
		crash = &actors.Crash{Value: value}
	}
	if !crash.Injected {
		k.restarts++
	}
	e := actors.Event{
		Actor: actors.Path(ctx.Self()), Event: actors.Failed, Reason: crash.Error(),
		Restarts: k.restarts, Stack: string(crash.Stack), Injected: crash.Injected,
	}
	k.journal.Record(e)
	k.inner = k.produce()
	e.Event, e.Reason, e.Stack = actors.Restarted, "", ""
	k.journal.Record(e)
}

// endFailed is the strategy for temporary children: a failure is journaled with its
// stack, and the child ends.
type endFailed struct{ journal *actors.Journal }

func (s endFailed) HandleFailure(_ *actor.ActorSystem, by actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	e := actors.Event{Actor: actors.Path(child), Event: actors.Failed}
	if crash, ok := reason.(*actors.Crash); ok {
		e.Reason, e.Stack, e.Injected = crash.Error(), string(crash.Stack), crash.Injected
	}
	s.journal.Record(e)
	by.StopChildren(child)
}

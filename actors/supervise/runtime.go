package supervise

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Runtime is what the actors of one node run on. Its methods are safe from any goroutine.
type Runtime struct {
	System     *actor.ActorSystem
	Dispatcher *Dispatcher
	Journal    *Journal
	Clock      Clock
	Watch      *Watch // nil: stalls of the node are not noticed
}

// Props makes the Props of a guarded actor, see [PropsOf], that runs on the dispatcher.
func (r Runtime) Props(produce func() actor.Actor, opts ...actor.PropsOption) *actor.Props {
	return PropsOf(produce, r.Journal, append(opts, actor.WithDispatcher(r.Dispatcher))...)
}

// Kept makes the Props of an actor that is replaced when it fails, while its children and its
// mailbox stay. children is the supervisor strategy for its children.
func (r Runtime) Kept(children actor.SupervisorStrategy, produce func() actor.Actor) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		guarded := func() actor.Actor { return Guard(produce(), r.Journal) }
		return &keeper{produce: guarded, inner: guarded(), journal: r.Journal}
	}, actor.WithSupervisor(children), actor.WithMailbox(NewMailbox), actor.WithDispatcher(r.Dispatcher))
}

// Go runs f on a goroutine of the dispatcher. A panic of f becomes a crash of owner, as with the
// function [Go]. It suits many short jobs: they reuse goroutines whose stacks have grown.
func (r Runtime) Go(owner *actor.PID, f func()) {
	root := r.System.Root
	r.Dispatcher.Schedule(func() {
		defer reportCrash(root, owner)
		f()
	})
}

// After sends msg to an actor once d has passed.
func (r Runtime) After(d time.Duration, to *actor.PID, msg any) Timer {
	root := r.System.Root
	return r.Clock.AfterFunc(d, func() { Send(root, to, msg) })
}

// Send sends a message from outside the actors, see the function [Send].
func (r Runtime) Send(to *actor.PID, msg any) { Send(r.System.Root, to, msg) }

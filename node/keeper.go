package node

import (
	"runtime/debug"

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

// keptProps makes the Props of an actor inside a keeper, with a strategy for its children.
func (n *Node) keptProps(children actor.SupervisorStrategy, produce func() actor.Actor) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		guarded := func() actor.Actor { return actors.Guard(produce(), n.journal) }
		return &keeper{produce: guarded, inner: guarded(), journal: n.journal}
	}, actor.WithSupervisor(children), actor.WithDispatcher(n.dispatcher))
}

// props makes the Props of one of the node's other actors.
func (n *Node) props(produce func() actor.Actor, opts ...actor.PropsOption) *actor.Props {
	return actors.PropsOf(produce, n.journal, append(opts, actor.WithDispatcher(n.dispatcher))...)
}

// background runs f in a goroutine that belongs to an actor: a panic becomes a crash of
// that actor, as with actors.Go. It is for the many short jobs of handshakes, which
// thereby find a goroutine whose stack has grown already.
func (n *Node) background(owner *actor.PID, f func()) {
	root := n.system.Root
	n.dispatcher.Schedule(func() {
		defer func() {
			if value := recover(); value != nil {
				actors.Send(root, owner, &actors.Crash{Value: value, Stack: debug.Stack()})
			}
		}()
		f()
	})
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

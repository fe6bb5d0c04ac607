package supervise

import "github.com/asynkron/protoactor-go/actor"

// keeper wraps an actor that stands above links. A restart by protoactor stops the children
// of the actor, so that one bug would cost every link of the node. The keeper replaces the
// failed actor by a fresh one instead, while children and mailbox stay. Such an actor keeps
// no state of its own that it can't do without.
type keeper struct {
	produce  func() actor.Actor
	inner    actor.Actor
	journal  *Journal
	restarts int
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
	crash, ok := value.(*Crash)
	if !ok {
		crash = &Crash{Value: value}
	}
	if !crash.Injected {
		k.restarts++
	}
	e := Step{
		Actor: Path(ctx.Self()), Event: Failed, Reason: crash.Error(),
		Restarts: k.restarts, Stack: string(crash.Stack), Injected: crash.Injected,
	}
	k.journal.Record(e)
	k.inner = k.produce()
	e.Event, e.Reason, e.Stack = Restarted, "", ""
	k.journal.Record(e)
}

package supervise

import "github.com/asynkron/protoactor-go/actor"

// keeper wraps an actor above links. protoactor stops the children of an actor that it restarts,
// so one bug would end every link of the node. The keeper replaces the failed actor with a new
// one instead; children and mailbox stay. Such an actor must keep no state that it cannot lose.
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

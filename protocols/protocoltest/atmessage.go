package protocoltest

import (
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// CrashBefore makes a Spec whose actor panics before it handles some of the remote's messages.
// messages are their numbers, counted from 1 over the life of the link. The protocol's own code
// does not see such a message: the message is lost, and none of its work is done.
//
// The panic counts like a bug of the protocol: the Spec's Intensity counts it, and its Restart
// decides what follows. The crash by [End.Crash] loses nothing and is not counted.
func CrashBefore(s protocols.Spec, messages ...int) protocols.Spec {
	return withPlan(s, &plan{at: messages, before: func(_ *protocols.Link, n int) {
		panic(fmt.Errorf("protocoltest: crash before message %d", n))
	}})
}

// CrashAfter is CrashBefore with the panic at the end of the actor's Receive: the work of the
// message is done, and the state in the actor is lost.
func CrashAfter(s protocols.Spec, messages ...int) protocols.Spec {
	return withPlan(s, &plan{at: messages, after: func(_ *protocols.Link, n int) {
		panic(fmt.Errorf("protocoltest: crash after message %d", n))
	}})
}

// FullOutboxAt makes a Spec whose actor finds its outbox full when some of the remote's messages
// arrive. messages are their numbers, counted from 1 over the life of the link. What the actor
// sends while it handles such a message is refused with protocols.ErrOutboxFull, and a
// *protocols.Drained follows. The outbox is filled by sending filling repeatedly; the remote
// receives it. The smallest message is the best choice, because a smaller one might still find
// room. Urgent messages have their own room.
func FullOutboxAt(s protocols.Spec, filling any, messages ...int) protocols.Spec {
	return withPlan(s, &plan{at: messages, before: func(l *protocols.Link, n int) {
		for {
			switch err := l.Send(filling); err {
			case nil:
			case protocols.ErrOutboxFull, protocols.ErrLinkDown:
				return
			default:
				panic(fmt.Errorf("protocoltest: fill the outbox with %T: %w", filling, err))
			}
		}
	}})
}

// plan is what happens before and after some of a link's messages.
type plan struct {
	at            []int
	before, after func(l *protocols.Link, n int) // nil: nothing happens
}

// deliveries counts, for each plan, the messages of a link.
type deliveries map[*plan]int

func withPlan(s protocols.Spec, p *plan) protocols.Spec {
	produce := s.New
	s.New = func() actor.Actor {
		inner := produce()
		if inner == nil {
			return nil // the kit reports this error
		}
		return &planned{inner: inner, plan: p}
	}
	return s
}

// planned is the actor around the protocol's own actor.
type planned struct {
	inner actor.Actor
	plan  *plan
	link  *protocols.Link
}

func (m *planned) Receive(ctx actor.Context) {
	if up, ok := ctx.Message().(*protocols.LinkUp); ok {
		m.link = up.Link
	}
	if protocols.ReceivedAt(ctx).IsZero() { // not from the remote
		m.inner.Receive(ctx)
		return
	}
	counts := protocols.State[deliveries](m.link)
	if *counts == nil {
		*counts = deliveries{}
	}
	(*counts)[m.plan]++
	n := (*counts)[m.plan]
	due := slices.Contains(m.plan.at, n)
	if due && m.plan.before != nil {
		m.plan.before(m.link, n)
	}
	m.inner.Receive(ctx)
	if due && m.plan.after != nil {
		m.plan.after(m.link, n)
	}
}

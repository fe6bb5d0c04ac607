package protocoltest

import (
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// CrashBefore makes a Spec whose actor panics when one of these messages of the remote's
// comes, counted from 1 over the life of the link, before the author's code sees it: the
// message is lost, and nothing of it was done.
//
// It is a panic as a mistake of the author's makes it: the Spec's Intensity counts it, and
// its Restart says what follows. [End.Crash] is one that loses nothing and counts for
// nothing.
func CrashBefore(s protocols.Spec, messages ...int) protocols.Spec {
	return meddling(s, &plan{at: messages, before: func(_ *protocols.Link, n int) {
		panic(fmt.Errorf("protocoltest: crash before message %d", n))
	}})
}

// CrashAfter is CrashBefore with the panic at the end of the author's Receive: all that the
// message brings was done, and what the actor keeps in itself is lost.
func CrashAfter(s protocols.Spec, messages ...int) protocols.Spec {
	return meddling(s, &plan{at: messages, after: func(_ *protocols.Link, n int) {
		panic(fmt.Errorf("protocoltest: crash after message %d", n))
	}})
}

// FullOutboxAt makes a Spec whose actor finds its outbox full when one of these messages of
// the remote's comes, counted from 1 over the life of the link: what it sends while it
// handles the message is refused with protocols.ErrOutboxFull, and a *protocols.Drained
// follows. It is filled by sending a message again and again, which the remote gets: best
// the smallest that there is, because a smaller one might still find room. What is Urgent
// has room of its own.
func FullOutboxAt(s protocols.Spec, filling any, messages ...int) protocols.Spec {
	return meddling(s, &plan{at: messages, before: func(l *protocols.Link, n int) {
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

// plan is what happens beside some of a link's messages.
type plan struct {
	at            []int
	before, after func(l *protocols.Link, n int) // nil: nothing
}

// deliveries counts, for each plan, the messages of a link.
type deliveries map[*plan]int

func meddling(s protocols.Spec, p *plan) protocols.Spec {
	produce := s.New
	s.New = func() actor.Actor {
		inner := produce()
		if inner == nil {
			return nil // the kit says what is wrong with that
		}
		return &meddler{inner: inner, plan: p}
	}
	return s
}

// meddler is the actor around the author's.
type meddler struct {
	inner actor.Actor
	plan  *plan
	link  *protocols.Link
}

func (m *meddler) Receive(ctx actor.Context) {
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

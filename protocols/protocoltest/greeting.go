package protocoltest

import (
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/protocols"
)

// greeting is one end's progress in the Version's Handshake. What a test sends before the end's
// own status is a protocol error that no actor can commit, because an actor gets its link later.
// So a Pair is returned only after that.
type greeting struct {
	said chan struct{} // closes when the end's status is in its outbox
	up   chan struct{} // closes when an actor of the end is about to get its LinkUp
}

// watch makes a Spec whose actors report their LinkUp.
func (g *greeting) watch(s protocols.Spec) protocols.Spec {
	produce := s.New
	if produce == nil {
		return s // Mount reports this error
	}
	up := sync.OnceFunc(func() { close(g.up) })
	s.New = func() actor.Actor {
		inner := produce()
		if inner == nil {
			return nil // the kit reports this error
		}
		return &greeted{inner: inner, up: up}
	}
	return s
}

// greeted is the actor around the protocol's own actor. It reports before the protocol's code
// runs, because that code may wait in LinkUp for the test, which waits for the Pair.
type greeted struct {
	inner actor.Actor
	up    func()
}

func (g *greeted) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*protocols.LinkUp); ok {
		g.up()
	}
	g.inner.Receive(ctx)
}

// listen makes the offers of a node report when they have queued their status.
func (g *greeting) listen(m *protocols.Mounted) {
	said := sync.OnceFunc(func() { close(g.said) })
	for i := range m.Offers {
		mount := m.Offers[i].Mount
		m.Offers[i].Mount = func(h *actors.Host) func() actors.Behaviour {
			produce := mount(h)
			return func() actors.Behaviour { return &greeter{produce(), said} }
		}
	}
}

// greeter is a protocol's behaviour that reports its first message.
type greeter struct {
	actors.Behaviour
	said func()
}

// If the protocol's status function panics, Up does not report; a later incarnation will.
func (g *greeter) Up(ctx actor.Context) {
	g.Behaviour.Up(ctx)
	g.said()
}

// awaitGreetings returns when both ends may send, or when the handshake has ended the link. An
// end whose remote has no handshake, because the test controls it, has only sent its own status
// then.
func (p *Pair) awaitGreetings(a, b *node) error {
	overdue := time.NewTimer(patience)
	defer overdue.Stop()
	shakesA, shakesB := a.shakesHands(p.A), b.shakesHands(p.B)
	for _, end := range []struct {
		*End
		greeting *greeting
		ours     bool
	}{{p.A, a.greeting, shakesA}, {p.B, b.greeting, shakesB}} {
		if !end.ours {
			continue
		}
		done := end.greeting.said
		if shakesA && shakesB {
			done = end.greeting.up
		}
		select {
		case <-done:
		case <-p.A.Context().Done():
		case <-p.B.Context().Done():
		case <-overdue.C:
			return fmt.Errorf("end %s: the handshake is not done after %v", end.name, patience)
		}
	}
	return nil
}

// shakesHands reports whether the version that runs begins with a handshake.
func (n *node) shakesHands(e *End) bool {
	for _, v := range n.mounted.Spec.Versions {
		if v.Number == e.Version() {
			return v.Handshake != nil
		}
	}
	return false
}

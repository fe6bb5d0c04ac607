package protocoltest

import (
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/protocols"
)

// greeting is how far one end has come with the Version's Handshake. What a test sends by
// hand before the end's own status is a breach of protocol, which no actor can commit: it
// has no link yet. So a Pair is not handed out until that is past.
type greeting struct {
	said chan struct{} // closes when the end's status is in its outbox
	up   chan struct{} // closes when an actor of the end is about to get its LinkUp
}

// watch makes a Spec whose actors tell of their LinkUp.
func (g *greeting) watch(s protocols.Spec) protocols.Spec {
	produce := s.New
	if produce == nil {
		return s // Mount says what is wrong with that
	}
	up := sync.OnceFunc(func() { close(g.up) })
	s.New = func() actor.Actor {
		inner := produce()
		if inner == nil {
			return nil // the kit says so
		}
		return &greeted{inner: inner, up: up}
	}
	return s
}

// greeted is the actor around the author's. It tells before the author's code runs, which
// may wait in its LinkUp for the test that waits for the Pair.
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

// listen makes the offers of a node tell when they have said their status.
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

// greeter is a protocol's behaviour whose first word is waited for.
type greeter struct {
	actors.Behaviour
	said func()
}

// Up does not get to tell where the author's status panics: then a next life says it.
func (g *greeter) Up(ctx actor.Context) {
	g.Behaviour.Up(ctx)
	g.said()
}

// awaitGreetings returns when either end may send what it likes, or when the link has ended
// over the handshake. An end whose remote has none, because the test plays it by hand, has
// only said its own status then.
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

// shakesHands says whether the version that runs begins with a handshake.
func (n *node) shakesHands(e *End) bool {
	for _, v := range n.mounted.Spec.Versions {
		if v.Number == e.Version() {
			return v.Handshake != nil
		}
	}
	return false
}

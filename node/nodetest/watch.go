package nodetest

import (
	"context"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
)

// Watcher reads the events of a node.
type Watcher struct {
	Events <-chan node.Event

	t testing.TB
}

// Watch subscribes to the events of a node until the test ends.
func Watch(t testing.TB, n *node.Node) *Watcher {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return &Watcher{n.Subscribe(ctx), t}
}

// Next waits for the next event of a kind, and drops those before it.
func (w *Watcher) Next(kind node.EventKind) node.Event {
	w.t.Helper()
	return w.Until(kind.String(), func(e node.Event) bool { return e.Kind == kind })
}

// Until waits for an event for which is returns true, and drops those before it. The failure
// says what did not happen.
func (w *Watcher) Until(what string, is func(node.Event) bool) node.Event {
	w.t.Helper()
	deadline := time.NewTimer(actortest.Patience)
	defer deadline.Stop()
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				w.t.Fatalf("events ended before: %s", what)
			}
			if is(e) {
				return e
			}
		case <-deadline.C:
			w.t.Fatalf("no event within %v: %s", actortest.Patience, what)
		}
	}
}

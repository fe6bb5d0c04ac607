package devnet

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/protocols"
)

func quietSpecs() []protocols.Spec {
	return []protocols.Spec{{
		Name: "quiet", Versions: []protocols.Version{{Number: 1, Length: 1, Messages: []protocols.Message{protocols.Ignore()}}},
		New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
	}}
}

// ended waits for the end of a net and returns its error.
func ended(t *testing.T, n *Net) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), actortest.Patience)
	defer cancel()
	select {
	case <-n.Done():
	case <-ctx.Done():
		t.Fatal("the net does not end")
	}
	return n.Stop(ctx)
}

// TestCrashEndsTheNet: if the net's actor crashes, the net ends with an error and all its
// nodes end.
func TestCrashEndsTheNet(t *testing.T) {
	n, err := Start(Config{Nodes: 2, Specs: quietSpecs})
	if err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "two nodes run", func() bool { return len(n.Nodes()) == 2 })
	members := *n.up.Load()
	supervise.Send(n.system.Root, n.actor, &supervise.Inject{})
	if err := ended(t, n); !errors.Is(err, errCrashed) {
		t.Errorf("the net ended with %v", err)
	}
	for _, member := range members {
		select {
		case <-member.Done():
		default:
			t.Errorf("node %v is still running", member.ID())
		}
	}
}

// TestStopWhileStarting: a net whose nodes take long to start ends when it is stopped, and does not
// wait for them.
func TestStopWhileStarting(t *testing.T) {
	starting := make(chan struct{}, 100)
	n, err := Start(Config{Nodes: 20, Specs: func() []protocols.Spec {
		specs := quietSpecs()
		specs[0].Provision = func(ctx context.Context, _ *protocols.Env) error {
			starting <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return specs
	}})
	if err != nil {
		t.Fatal(err)
	}
	actortest.Receive(t, starting)
	begin := time.Now()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Stop(now); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > startTime/2 {
		t.Errorf("it took %v", took)
	}
}

// TestNodeThatCannotStart: a node that can't start ends the net with the node's error.
func TestNodeThatCannotStart(t *testing.T) {
	n, err := Start(Config{Nodes: 3, Specs: func() []protocols.Spec { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := ended(t, n); err == nil || errors.Is(err, errCrashed) {
		t.Errorf("the net ended with %v, want the node's error", err)
	}
}

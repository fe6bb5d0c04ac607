package devnet_test

import (
	"context"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/devnet"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

func chatting() []protocols.Spec { return []protocols.Spec{chat.NewRoom().Spec()} }

// start runs a net until the test ends.
func start(t *testing.T, c devnet.Config) *devnet.Net {
	t.Helper()
	c.Specs = chatting
	n, err := devnet.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, n) })
	return n
}

func stop(t *testing.T, n *devnet.Net) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), actortest.Patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// await waits until is returns true for the net's Stats.
func await(t *testing.T, n *devnet.Net, what string, is func(devnet.Stats) bool) devnet.Stats {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(actortest.Patience)
	for {
		s := n.Stats()
		if is(s) {
			t.Logf("%s: %v", what, s)
			return s
		}
		select {
		case <-tick.C:
		case <-n.Done():
			t.Fatalf("the net has ended: %v", n.Stop(t.Context()))
		case <-timeout:
			t.Fatalf("timeout while waiting for: %s; %v", what, s)
		}
	}
}

// TestNet: nodes with two bootnodes find their peers and form a connected network, also
// after a third of them is killed.
func TestNet(t *testing.T) {
	const nodes, peers = 20, 4
	n := start(t, devnet.Config{Nodes: nodes})
	whole := func(nodes int) func(devnet.Stats) bool {
		return func(s devnet.Stats) bool { return s.Up == nodes && s.Components == 1 && s.MinPeers >= peers }
	}
	await(t, n, "all connected, each with its peers", whole(nodes))
	n.Kill(nodes / 3)
	await(t, n, "healed", whole(nodes-nodes/3))
}

// TestChaos: with nodes that are killed and replaced and actors that panic, the net goes on.
func TestChaos(t *testing.T) {
	n := start(t, devnet.Config{Nodes: 5, Chaos: true})
	await(t, n, "up", func(s devnet.Stats) bool { return s.Up > 0 })
	first := n.Nodes()[0].ID()
	await(t, n, "killed and replaced", func(s devnet.Stats) bool { return s.Killed >= 2 && s.Up == 5 && s.Components == 1 })
	if n.Nodes()[0].ID() != first {
		t.Error("chaos has killed the first node, which others use to join")
	}
	stop(t, n)
	if s := n.Stats(); s.Up != 0 {
		t.Errorf("%d nodes run after Stop", s.Up)
	}
}

func TestWrongConfig(t *testing.T) {
	for _, c := range []devnet.Config{{}, {Nodes: -1, Specs: chatting}, {Nodes: 1}} {
		if _, err := devnet.Start(c); err == nil {
			t.Errorf("Start accepted %+v", c)
		}
	}
}

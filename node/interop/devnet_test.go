//go:build conformance

package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node/devnet"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

// TestConformanceDevnet: a hundred nodes on loopback, each of which knows two others, are
// connected within a minute, each with enough peers. A minute after a third of them is killed,
// the rest is connected again.
func TestConformanceDevnet(t *testing.T) {
	const nodes, peers = 100, 4 // a node dials for that number of peers itself
	n, err := devnet.Start(devnet.Config{Nodes: nodes, Specs: func() []protocols.Spec {
		return []protocols.Spec{chat.NewRoom().Spec()}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	awaitWhole(t, n, nodes, peers)
	n.Kill(nodes / 3)
	awaitWhole(t, n, nodes-nodes/3, peers)
}

// awaitWhole waits up to a minute until this number of nodes run and are connected, and each has
// at least this number of peers.
func awaitWhole(t *testing.T, n *devnet.Net, nodes, peers int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for {
		s := n.Stats()
		if s.Up == nodes && s.Components == 1 && s.MinPeers >= peers {
			t.Log(s)
			return
		}
		select {
		case <-tick.C:
		case <-n.Done():
			t.Fatalf("the network has ended: %v", n.Stop(t.Context()))
		case <-timeout:
			t.Fatalf("not within a minute: %v", s)
		}
	}
}

package load_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// TestLinksUpAndDown: thousands of links that come and go leave no goroutine, no link and no memory
// behind.
func TestLinksUpAndDown(t *testing.T) {
	var made, collected atomic.Int64
	up := make(chan *protocols.Link, 1)
	spec := fixture.Lines("updown", func() actor.ReceiveFunc {
		return func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
				made.Add(1)
				runtime.AddCleanup(msg.Link, func(struct{}) { collected.Add(1) }, struct{}{})
				up <- msg.Link
			}
		}
	})
	n := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	events := nodetest.Watch(t, n)
	// protoactor's lists keep the last occupant of each free slot. They have as many slots as
	// there were links at the same time.
	const spare = 4
	// Each round is a test of its own, so that its connections are closed at its end.
	round := func(links int) (goroutines, heap int) {
		t.Run("round", func(t *testing.T) {
			for i := range links {
				comeAndGo(t, n, events, up, ways[i%len(ways)])
			}
		})
		actortest.Eventually(t, "the links are collected", func() bool {
			runtime.GC()
			return made.Load()-collected.Load() <= spare
		})
		if n := n.PeerCount(); n != 0 {
			t.Errorf("%d peers are left", n)
		}
		runtime.GC() // a pool releases its content at the second collection
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), int(m.HeapAlloc)
	}
	count := actortest.Work(2000, 200)
	goroutines, heap := round(count / 10) // fills pools and caches
	goroutinesAfter, heapAfter := round(count)
	t.Logf("%d goroutines and %d KiB of heap became %d and %d", goroutines, heap>>10, goroutinesAfter, heapAfter>>10)
	const parked = 16 // the node's dispatcher keeps at most this number for later
	if goroutinesAfter > goroutines+parked {
		t.Errorf("%d goroutines became %d", goroutines, goroutinesAfter)
	}
	// What pools and caches hold at the time of the measurement differs by some ten KiB, whatever
	// the number of links.
	const pools = 512 << 10
	if grown := heapAfter - heap; grown > pools {
		t.Errorf("the heap grew by %d bytes, want at most %d", grown, pools)
	}
}

// way is how a link may end, and the side and reason of its cause.
type way struct {
	end    func(t *testing.T, remote *nodetest.Client, ours *protocols.Link)
	side   protocols.Side
	reason wire.DiscReason
}

var ways = []way{
	{func(t *testing.T, remote *nodetest.Client, _ *protocols.Link) {
		b, err := remote.AppendDisconnect(nil, wire.DiscQuitting)
		if err != nil {
			t.Fatal(err)
		}
		remote.Send(t, b)
	}, protocols.Remote, wire.DiscQuitting},
	{func(t *testing.T, remote *nodetest.Client, _ *protocols.Link) {
		if err := remote.TCP().SetLinger(0); err != nil { // Close sends a reset
			t.Fatal(err)
		}
		remote.Close()
	}, protocols.Network, wire.DiscNetworkError},
	{func(t *testing.T, remote *nodetest.Client, ours *protocols.Link) {
		ours.Disconnect(wire.DiscUselessPeer)
		if reason := remote.AwaitDisconnect(t); reason != wire.DiscUselessPeer {
			t.Errorf("Disconnect %q, want %q", reason, wire.DiscUselessPeer)
		}
		remote.Close()
	}, protocols.Local, wire.DiscUselessPeer},
	{func(t *testing.T, remote *nodetest.Client, _ *protocols.Link) {
		remote.Send(t, make([]byte, 64)) // no frame has this MAC
		if reason := remote.AwaitDisconnect(t); reason != wire.DiscProtocolError {
			t.Errorf("Disconnect %q, want %q", reason, wire.DiscProtocolError)
		}
		remote.Close()
	}, protocols.Local, wire.DiscProtocolError},
}

// comeAndGo makes a link that ends in one of the ways.
func comeAndGo(t *testing.T, n *node.Node, events *nodetest.Watcher, up <-chan *protocols.Link, w way) {
	t.Helper()
	remote, err := nodetest.DialClient(t, n, fixture.Key(t), wire.Cap{Name: "updown", Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.end(t, remote, actortest.Receive(t, up))
	if c := events.Next(node.PeerDropped).Cause; c.Side != w.side || c.Reason != w.reason {
		t.Fatalf("cause %v, want %v: %v", c, w.side, w.reason)
	}
	remote.Close()
}

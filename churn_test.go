package troupe_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// Links that come and go by the thousand leave nothing behind: no goroutine, no link, no
// memory.
func TestChurn(t *testing.T) {
	var made, collected atomic.Int64
	up := make(chan *protocols.Link, 1)
	spec := lines("churn", func() behave {
		return func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
				made.Add(1)
				runtime.AddCleanup(msg.Link, func(struct{}) { collected.Add(1) }, struct{}{})
				up <- msg.Link
			}
		}
	})
	v := newVictim(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	// Lists in protoactor keep who was last in each of their slots that are free now, as
	// many as there ever were links at a time.
	const spare = 4
	// Each round is a test of its own, so that what the remotes leave is cleaned up.
	round := func(links int) (goroutines, heap int) {
		t.Run("round", func(t *testing.T) {
			for i := range links {
				comeAndGo(t, v, up, ways[i%len(ways)])
			}
		})
		eventually(t, "that the links are garbage", func() bool {
			runtime.GC()
			return made.Load()-collected.Load() <= spare
		})
		if n := v.PeerCount(); n != 0 {
			t.Errorf("%d peers are left", n)
		}
		runtime.GC() // a pool lets go of what it holds at the second collection
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), int(m.HeapAlloc)
	}
	count := unlessRace(2000, 200)
	goroutines, heap := round(count / 10) // fills pools and caches
	goroutinesAfter, heapAfter := round(count)
	t.Logf("%d goroutines and %d KiB of heap became %d and %d", goroutines, heap>>10, goroutinesAfter, heapAfter>>10)
	const parked = 16 // are kept at most, to run the node's actors
	if goroutinesAfter > goroutines+parked {
		t.Errorf("%d goroutines became %d", goroutines, goroutinesAfter)
	}
	// protoactor keeps a map of 360 bytes for each of 32,768 classes of names that ever
	// had an actor. A link has five actors, its handshake included. What pools and caches
	// hold at the moment of looking differs by some ten KiB, whatever the number of links.
	const registry, pools = 5 * 360, 256 << 10
	if grown := heapAfter - heap; grown > count*registry+pools {
		t.Errorf("the heap grew by %d bytes, of which %d may be protoactor's", grown, count*registry)
	}
}

// way is how a link may end, and what its cause must say.
type way struct {
	end    func(t *testing.T, r *remote, ours *protocols.Link)
	side   protocols.Side
	reason wire.DiscReason
}

var ways = []way{
	{func(t *testing.T, r *remote, _ *protocols.Link) {
		b, err := r.AppendDisconnect(nil, wire.DiscQuitting)
		if err != nil {
			t.Fatal(err)
		}
		r.write(t, b)
	}, protocols.Remote, wire.DiscQuitting},
	{func(t *testing.T, r *remote, _ *protocols.Link) {
		if err := r.SetLinger(0); err != nil { // a reset
			t.Fatal(err)
		}
		r.TCPConn.Close()
	}, protocols.Network, wire.DiscNetworkError},
	{func(t *testing.T, r *remote, ours *protocols.Link) {
		ours.Disconnect(wire.DiscUselessPeer)
		if told := r.told(t); told != wire.DiscUselessPeer {
			t.Errorf("the remote was told %q", told)
		}
		r.TCPConn.Close()
	}, protocols.Local, wire.DiscUselessPeer},
	{func(t *testing.T, r *remote, _ *protocols.Link) {
		r.write(t, make([]byte, 64))
		if told := r.told(t); told != wire.DiscProtocolError {
			t.Errorf("the remote was told %q", told)
		}
		r.TCPConn.Close()
	}, protocols.Local, wire.DiscProtocolError},
}

func comeAndGo(t *testing.T, v *victim, up <-chan *protocols.Link, w way) {
	r := v.connect(t, wire.Cap{Name: "churn", Version: 1})
	w.end(t, r, within(t, up))
	if c := v.dropped(t, r); c.Side != w.side || c.Reason != w.reason {
		t.Fatalf("cause: %v, want %v: %v", c, w.side, w.reason)
	}
	r.TCPConn.Close()
}

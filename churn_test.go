package troupe_test

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// Links that come and go by the thousand leave nothing behind.
func TestChurn(t *testing.T) {
	v := &victim{ends: map[netip.AddrPort]chan node.Event{}}
	v.Node = startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{bench.Spec()} })
	events := watch(t, v.Node)
	// Each round is a test of its own, so that what the remotes leave is cleaned up.
	round := func(links int) (goroutines int, heap uint64) {
		t.Run("round", func(t *testing.T) { churn(t, v, events, links) })
		eventually(t, "the end of all links", func() bool { return v.PeerCount() == 0 })
		runtime.GC()
		runtime.GC() // the second one empties the pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	goroutines, heap := round(100) // fills pools and caches
	after, heapAfter := round(unlessRace(2000, 200))
	if after > goroutines+5 {
		t.Errorf("%d goroutines became %d", goroutines, after)
	}
	// The runtime's registry keeps the memory of each of its 32,768 maps that ever
	// held an actor, 360 bytes each; nothing else may stay.
	const registry = 32768 * 360
	if heapAfter > heap+registry {
		t.Errorf("%d KiB of heap became %d", heap>>10, heapAfter>>10)
	}
}

func churn(t *testing.T, v *victim, events *watcher, links int) {
	for range links {
		r := v.connect(t, benchCap)
		events.next(node.PeerAdded)
		r.write(t, r.sealedDisconnect(t, wire.DiscQuitting))
		if c := events.next(node.PeerDropped).Cause; c.Side != actors.Remote || c.Reason != wire.DiscQuitting {
			t.Fatalf("cause: %v", c)
		}
		r.TCPConn.Close()
	}
}

func (r *remote) sealedDisconnect(t testing.TB, reason wire.DiscReason) []byte {
	t.Helper()
	b, err := r.AppendDisconnect(nil, reason)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

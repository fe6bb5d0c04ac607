package load_test

import (
	"log/slog"
	"net"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/memory"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// TestIdleLinkIsSmall: a link of a whole node that has received and sent 64 KiB, and has been quiet
// for some seconds, holds no goroutine and less than 10,000 bytes of heap objects. The remote's socket,
// some 600 bytes, is part of that, because it is in the same process. Unused room in pages of the heap is
// not, and neither are stacks: without a goroutine what they have depends on when the collector ran.
func TestIdleLinkIsSmall(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a quiet link has a goroutine on " + runtime.GOOS)
	}
	const links, size = 300, 64 << 10
	limit := 10_000
	if actortest.Race {
		limit += 2_000 // of the race detector
	}
	clock := actortest.NewSteppedClock()
	spec := fixture.Lines("echo", func() actor.ReceiveFunc {
		var link *protocols.Link
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
			case *fixture.Line:
				if err := link.Send(msg); err != nil {
					panic(err)
				}
			}
		}
	})
	n := nodetest.Start(t, func(c *node.Config) {
		c.Specs, c.Clock, c.MaxPeers, c.Logger = []protocols.Spec{spec}, clock, 2*links, slog.New(slog.DiscardHandler)
	})
	text := fixture.Piece(0, size)
	var conns []net.Conn // the sessions are garbage once a link has been used, the sockets stay
	use := func(links int) {
		for range links {
			remote, err := nodetest.DialClient(t, n, fixture.Key(t), wire.Cap{Name: "echo", Version: 1})
			if err != nil {
				t.Fatal(err)
			}
			frame, err := remote.Message(wire.BaseLength, &fixture.Line{Text: text})
			if err != nil {
				t.Fatal(err)
			}
			remote.Send(t, frame)
			if code, _, err := remote.Next(); err != nil || code != wire.BaseLength {
				t.Fatalf("message %d instead of the echo: %v", code, err)
			}
			conns = append(conns, remote.Conn)
		}
		clock.Advance(6 * time.Second)
	}
	held := func() int {
		memory.Release()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return int(sample[0].Value.Uint64())
	}
	idle := runtime.NumGoroutine()
	use(20) // fills caches, and grows maps
	actortest.Eventually(t, "the first links have no goroutine", func() bool { return runtime.NumGoroutine() < idle+20 })
	before, each := held(), 0
	use(links)
	defer func() { t.Logf("%d bytes a link", each) }()
	actortest.Eventually(t, "quiet links hold little", func() bool {
		each = (held() - before) / links
		return each < limit && runtime.NumGoroutine() < idle+links/10
	})
	if peers := n.PeerCount(); peers != links+20 {
		t.Errorf("%d peers", peers)
	}
	runtime.KeepAlive(conns)
}

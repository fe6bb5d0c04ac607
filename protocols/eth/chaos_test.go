package eth_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// TestChaos: while the service and the links' actors panic every 50 ms, on nodes that serve and on one
// that follows them, no link ends, each request is answered, and the head is followed.
func TestChaos(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		world, to := nodetest.NewNetwork(), new(atomic.Uint64)
		chaos := []node.Chaos{{Pattern: "*/eth", Interval: 50 * time.Millisecond}, {Pattern: "*/service-eth", Interval: 50 * time.Millisecond}}
		start := func(at string, spec protocols.Spec, static []*enode.Node, chaos []node.Chaos) *node.Node {
			return nodetest.Start(t, func(c *node.Config) {
				world.Attach(c, netip.MustParseAddrPort(at))
				c.Specs, c.StaticNodes, c.Chaos = []protocols.Spec{spec}, static, chaos
			})
		}
		var servers []*eth.Eth
		var nodes []*node.Node
		var selves []*enode.Node
		for _, at := range []string{"10.0.0.1:30303", "10.0.1.1:30303", "10.0.2.1:30303"} {
			e := eth.New(eth.Config{Chain: n, Source: growing{files, to}})
			one := start(at, e.Spec(), nil, chaos)
			servers, nodes, selves = append(servers, e), append(nodes, one), append(selves, one.Self())
		}
		grow := func(head uint64) {
			to.Store(head)
			for _, e := range servers {
				e.View().Set(chain.Block{Number: head, Hash: hashOf(t, files, head)}, 0)
			}
		}
		grow(500)
		follower := eth.New(eth.Config{Chain: n})
		nodes = append(nodes, start("10.1.0.1:30303", follower.Spec(), selves, chaos))

		up, asker := make(chan *protocols.Link, len(selves)), eth.New(eth.Config{Chain: n}).Spec()
		asker.Service, asker.New = nil, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
					up <- msg.Link.Shared()
				}
			})
		}
		nodes = append(nodes, start("10.2.0.1:30303", asker, selves, nil))
		drops, restarts := watch(t.Context(), nodes)

		var all sync.WaitGroup
		for range selves {
			link := <-up
			all.Go(func() { askForLong(t, eth.Query{Link: link}) })
		}
		all.Wait()
		for _, head := range []uint64{501, 600} {
			grow(head)
			actortest.After(15 * time.Second)
			if got := follower.View().Range(); got.Latest != head {
				t.Errorf("the follower serves %+v, want the head %d", got, head)
			}
		}
		if drops.Load() > 0 {
			t.Errorf("%d links ended", drops.Load())
		}
		if restarts.Load() < 300 {
			t.Errorf("%d restarts: too few for the test", restarts.Load())
		}
	})
}

// watch counts the links that end, and the restarts of eth's actors.
func watch(ctx context.Context, nodes []*node.Node) (drops, restarts *atomic.Int64) {
	drops, restarts = new(atomic.Int64), new(atomic.Int64)
	for _, n := range nodes {
		events := n.Subscribe(ctx)
		go func() {
			for e := range events {
				switch {
				case e.Kind == node.PeerDropped && ctx.Err() == nil:
					drops.Add(1)
				case e.Kind == node.Lifecycle && e.Step.Injected && strings.HasSuffix(e.Step.Actor, "eth"):
					restarts.Add(1)
				}
			}
		}()
	}
	return drops, restarts
}

// askForLong asks for two seconds, and checks the answers.
func askForLong(t *testing.T, q eth.Query) {
	for i, began := uint64(1), time.Now(); time.Since(began) < 2*time.Second; i++ {
		h, err := q.Header(t.Context(), serve.Origin{Number: i%500 + 1})
		if err == nil {
			_, err = q.Body(t.Context(), h)
		}
		if err == nil {
			_, err = q.Receipts(t.Context(), h)
		}
		if err != nil {
			t.Errorf("block %d: %v", i%500+1, err)
		}
		time.Sleep(7 * time.Millisecond)
	}
}

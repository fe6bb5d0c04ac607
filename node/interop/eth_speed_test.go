//go:build conformance && linux

package interop_test

import (
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/sys/unix"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// answersOfRound is how many answers of one kind a server gives in a round.
const answersOfRound = 500

// BenchmarkServe measures the CPU time of an answer in the serving process, of our node and of geth,
// which have the same chain. The client is the same, and asks both in turn. The figures are medians of
// the rounds, the ratio that of the ratios. Use -benchtime 9x for nine rounds.
func BenchmarkServe(b *testing.B) {
	url, pid := startWithChain(b)
	api, gethPID := runGeth(b, ethtest.Chain(b, "chain.rlp"))
	tellHead(b, api)
	servers := [2]server{
		{linkTo(b, url), pid},
		{linkTo(b, call[struct{ Enode string }](b, api, "admin_nodeInfo").Enode), gethPID},
	}
	hashes := hashesOf(b, servers[0].link)
	for _, c := range []struct {
		name string
		ask  func(*protocols.Link) error
	}{
		{"192 headers", func(l *protocols.Link) error { _, err := headers(b, l, 192); return err }},
		{"128 bodies", func(l *protocols.Link) error {
			_, err := protocols.Call[eth.BlockBodies](b.Context(), l, &eth.GetBlockBodies{Hashes: hashes[100:228]})
			return err
		}},
		{"128 receipts", func(l *protocols.Link) error {
			_, err := protocols.Call[eth.Receipts70](b.Context(), l, &eth.GetReceipts70{Hashes: hashes[100:228]})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for _, s := range servers {
				s.round(b, c.ask) // fills caches
				s.settle(b)
			}
			var ours, theirs, ratios []float64
			for b.Loop() {
				x, y := servers[0].round(b, c.ask), servers[1].round(b, c.ask)
				ours, theirs, ratios = append(ours, x), append(theirs, y), append(ratios, x/y)
			}
			b.ReportMetric(median(ours), "troupe-µs/answer")
			b.ReportMetric(median(theirs), "geth-µs/answer")
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

// server is a process that serves the chain, and the client's link to it.
type server struct {
	link *protocols.Link
	pid  int
}

// round asks for one thing again and again, and returns the CPU time of an answer in microseconds.
func (s server) round(b *testing.B, ask func(*protocols.Link) error) float64 {
	begin := cpuOf(b, s.pid)
	for range answersOfRound {
		if err := ask(s.link); err != nil {
			b.Fatal(err)
		}
	}
	return float64((cpuOf(b, s.pid) - begin).Nanoseconds()) / 1e3 / answersOfRound
}

// settle waits until the process does nothing by itself: geth is busy for a while after its start.
func (s server) settle(b *testing.B) {
	const span = 200 * time.Millisecond
	actortest.Eventually(b, "the server is idle", func() bool {
		begin := cpuOf(b, s.pid)
		time.Sleep(span)
		return cpuOf(b, s.pid)-begin < span/50
	})
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// linkTo links a node of its own to the server, and returns the link.
func linkTo(b *testing.B, url string) *protocols.Link {
	b.Helper()
	static, err := node.ParseStaticNodes(url)
	if err != nil {
		b.Fatal(err)
	}
	network, err := chain.ReadGenesis(ethtest.Chain(b, "genesis.json"))
	if err != nil {
		b.Fatal(err)
	}
	up := make(chan *protocols.Link, 1)
	spec := eth.New(eth.Config{Chain: network, Versions: []uint{70}}).Spec()
	spec.New = func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
				up <- msg.Link.Shared()
			}
		})
	}
	nodetest.Start(b, func(c *node.Config) { c.Specs, c.StaticNodes = []protocols.Spec{spec}, static })
	select {
	case link := <-up:
		return link
	case <-time.After(actortest.Patience):
		b.Fatal("no link")
		return nil
	}
}

// headers asks for the headers of blocks from 1 on.
func headers(b *testing.B, link *protocols.Link, amount uint64) (list []*types.Header, err error) {
	a, err := protocols.Call[eth.BlockHeaders](b.Context(), link, &eth.GetBlockHeaders{
		Query: serve.HeadersQuery{Origin: serve.Origin{Number: 1}, Amount: amount},
	})
	if err != nil {
		return nil, err
	}
	return list, rlp.DecodeBytes(a.Headers, &list)
}

// hashesOf returns the hashes of the blocks from 1 on.
func hashesOf(b *testing.B, link *protocols.Link) (hashes []common.Hash) {
	list, err := headers(b, link, 600)
	if err != nil || len(list) != 600 {
		b.Fatalf("%d headers, %v", len(list), err)
	}
	for _, h := range list {
		hashes = append(hashes, h.Hash())
	}
	return hashes
}

// cpuOf returns the CPU time that a process has used, by its clock (clock_getcpuclockid(3)).
func cpuOf(b *testing.B, pid int) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

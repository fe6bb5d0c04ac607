//go:build conformance && linux

package interop_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// BenchmarkServe measures the CPU time of an answer in the serving process, our node or geth, which
// have the same chain. The client is the same.
func BenchmarkServe(b *testing.B) {
	for _, server := range []struct {
		name  string
		start func(testing.TB) (url string, pid int)
	}{
		{"troupe", func(t testing.TB) (string, int) { return startWithChain(t) }},
		{"geth", func(t testing.TB) (string, int) {
			api, pid := runGeth(t, ethtest.Chain(t, "chain.rlp"))
			tellHead(t, api)
			return call[struct{ Enode string }](t, api, "admin_nodeInfo").Enode, pid
		}},
	} {
		url, pid := server.start(b)
		link := linkTo(b, url)
		hashes := hashesOf(b, link)
		for _, c := range []struct {
			name string
			ask  func() error
		}{
			{"192 headers", func() error { _, err := headers(b, link, 192); return err }},
			{"128 bodies", func() error {
				_, err := protocols.Call[eth.BlockBodies](b.Context(), link, &eth.GetBlockBodies{Hashes: hashes[100:228]})
				return err
			}},
			{"128 receipts", func() error {
				_, err := protocols.Call[eth.Receipts70](b.Context(), link, &eth.GetReceipts70{Hashes: hashes[100:228]})
				return err
			}},
		} {
			b.Run(c.name+"/"+server.name, func(b *testing.B) {
				for range 500 { // fills caches; geth is busy for a while after its start
					if err := c.ask(); err != nil {
						b.Fatal(err)
					}
				}
				begin := cpuOf(b, pid)
				for b.Loop() {
					if err := c.ask(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((cpuOf(b, pid)-begin).Microseconds())/float64(b.N), "cpu-µs/answer")
			})
		}
	}
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

// cpuOf returns the CPU time that a process has used, see proc(5).
func cpuOf(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	var ticks int
	for _, field := range strings.Fields(rest)[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

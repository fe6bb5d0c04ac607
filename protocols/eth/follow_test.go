package eth_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// growing is a source that has the blocks up to a number.
type growing struct {
	*eth.Files
	to *atomic.Uint64
}

func (g growing) Number(hash common.Hash) (uint64, bool) {
	n, ok := g.Files.Number(hash)
	return n, ok && n <= g.to.Load()
}

func (g growing) Read(p chain.Part, n uint64) ([]byte, error) {
	if n > g.to.Load() {
		return nil, chain.ErrAbsent
	}
	return g.Files.Read(p, n)
}

// TestFollow: a node without files finds out the head from its peers, fetches the last blocks, and
// announces the run of those that it has.
func TestFollow(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		world, to := nodetest.NewNetwork(), new(atomic.Uint64)
		start := func(at netip.AddrPort, cfg eth.Config, peers []*enode.Node) (*eth.Eth, *node.Node) {
			e := eth.New(cfg)
			return e, nodetest.Start(t, func(c *node.Config) {
				world.Attach(c, at)
				c.Specs, c.StaticNodes = []protocols.Spec{e.Spec()}, peers
			})
		}
		var servers []*eth.Eth
		var nodes []*enode.Node
		for i, versions := range [][]uint{{68}, {69}, {70}, {72, 71}} {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 30303)
			e, node := start(at, eth.Config{Chain: n, Source: growing{files, to}, Versions: versions}, nil)
			servers, nodes = append(servers, e), append(nodes, node.Self())
		}
		grow := func(head uint64) {
			to.Store(head)
			for _, e := range servers {
				e.View().Set(chain.Block{Number: head, Hash: hashOf(t, files, head)}, 0)
			}
		}
		grow(500)
		follower, _ := start(netip.MustParseAddrPort("10.1.0.1:30303"), eth.Config{Chain: n}, nodes)
		for _, head := range []uint64{500, 501, 600} {
			grow(head)
			actortest.After(time.Minute)
			want := chain.Range{Earliest: head - 63, Latest: head, LatestHash: hashOf(t, files, head)}
			if got := follower.View().Range(); got != want {
				t.Errorf("the follower serves %+v, want %+v", got, want)
			}
		}
	})
}

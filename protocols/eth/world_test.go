package eth_test

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"

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

// world has nodes on a network in memory that serve the test chain as it grows, and one that follows
// it without files.
type world struct {
	t       testing.TB
	chain   *chain.Network
	files   *eth.Files
	network *nodetest.Network
	head    *atomic.Uint64

	servers []*eth.Eth
	nodes   []*node.Node // of the servers, and others that dial the follower
}

func newWorld(t testing.TB, n *chain.Network, files *eth.Files) *world {
	return &world{t: t, chain: n, files: files, network: nodetest.NewNetwork(), head: new(atomic.Uint64)}
}

// serve starts a node in an IP network of its own, which serves the chain as it grows unless the
// Config has a source. Its Spec can be changed.
func (w *world) serve(cfg eth.Config, edit ...func(*protocols.Spec)) *eth.Eth {
	return w.serveAt(netip.AddrFrom4([4]byte{10, 0, byte(len(w.nodes)), 1}), cfg, edit...)
}

func (w *world) serveAt(host netip.Addr, cfg eth.Config, edit ...func(*protocols.Spec)) *eth.Eth {
	if cfg.Chain = w.chain; cfg.Source == nil {
		cfg.Source = growing{w.files, w.head}
	}
	e := eth.New(cfg)
	spec := e.Spec()
	for _, f := range edit {
		f(&spec)
	}
	server := nodetest.Start(w.t, func(c *node.Config) {
		w.network.Attach(c, netip.AddrPortFrom(host, 30303))
		c.Specs = []protocols.Spec{spec}
	})
	w.servers, w.nodes = append(w.servers, e), append(w.nodes, server)
	return e
}

// grow makes a block the head of all servers.
func (w *world) grow(head uint64) {
	w.head.Store(head)
	for _, e := range w.servers {
		e.View().Set(chain.Block{Number: head, Hash: hashOf(w.t, w.files, head)}, 0)
	}
}

// follow starts the node that follows the servers. They dial it, and are strangers to it.
func (w *world) follow() (*eth.Eth, *node.Node) {
	w.t.Helper()
	e := eth.New(eth.Config{Chain: w.chain})
	follower := nodetest.Start(w.t, func(c *node.Config) {
		w.network.Attach(c, netip.MustParseAddrPort("10.1.0.1:30303"))
		c.Specs = []protocols.Spec{e.Spec()}
	})
	for _, n := range w.nodes {
		w.dial(n, follower)
	}
	return e, follower
}

func (w *world) dial(from, to *node.Node) {
	w.t.Helper()
	if err := from.AddPeer(to.Self()); err != nil {
		w.t.Fatal(err)
	}
}

// rangeTo is what the follower serves once it has all of the window.
func (w *world) rangeTo(head uint64) chain.Range {
	return chain.Range{Earliest: head - 63, Latest: head, LatestHash: hashOf(w.t, w.files, head)}
}

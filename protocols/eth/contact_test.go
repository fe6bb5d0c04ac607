package eth_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestFirstContact: the node has the headers that other clients ask a new peer for. They leave a peer
// that does not.
func TestFirstContact(t *testing.T) {
	n, files := testChain(t)
	const head, finalized = 600, 536
	hash := func(n uint64) serve.Origin { return serve.Origin{Hash: hashOf(t, files, n)} }
	cfg := eth.Config{Chain: n, Source: files, Versions: []uint{69}}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(cfg).Spec()))
	for name, c := range map[string]struct {
		query serve.HeadersQuery
		want  []uint64
	}{
		"Nethermind, the head and its parent": {serve.HeadersQuery{Origin: hash(head - 1), Amount: 2}, []uint64{head - 1, head}},
		"Nethermind, the finalized block":     {serve.HeadersQuery{Origin: hash(finalized), Amount: 1}, []uint64{finalized}},
		"Besu, the head":                      {serve.HeadersQuery{Origin: hash(head), Amount: 1}, []uint64{head}},
		"reth, the head by hash, backwards":   {serve.HeadersQuery{Origin: hash(head), Amount: 3, Reverse: true}, []uint64{head, head - 1, head - 2}},
		"go-ethereum, the skeleton's tail":    {serve.HeadersQuery{Origin: serve.Origin{Number: 2}, Amount: 512, Reverse: true}, []uint64{2, 1, 0}},
	} {
		var got []*types.Header
		a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{Query: c.query})
		if err == nil {
			err = rlp.DecodeBytes(a.Headers, &got)
		}
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%s: %d headers, %v; want %v", name, len(got), err, c.want)
			continue
		}
		for i, h := range got {
			if h.Number.Uint64() != c.want[i] {
				t.Errorf("%s: header %d is that of block %v, want %d", name, i, h.Number, c.want[i])
			}
		}
	}
}

// TestSepoliaSamples: two files of a public chain with a gap between them. The run up to the head is
// announced; the blocks below the gap are served as well.
func TestSepoliaSamples(t *testing.T) {
	cfg := eth.Config{Network: "sepolia", History: ethtest.Samples(t), Versions: []uint{69}}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(eth.Config{Network: "sepolia", Versions: []uint{69}}).Spec()))
	const first, last = 172032, 180223
	for got := protocols.StatusOf[eth.Status](p.B.Link).Range(); got.Earliest != first || got.Latest != last; {
		u := protocoltest.Await[eth.BlockRangeUpdate](p.B, nil) // the node asks for headers meanwhile
		got.Earliest, got.Latest = u.Earliest, u.Latest
	}
	for _, begin := range []uint64{0, first} {
		var parent *types.Header
		for n := begin; n < begin+8192; {
			a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{
				Query: serve.HeadersQuery{Origin: serve.Origin{Number: n}, Amount: min(1024, begin+8192-n)},
			})
			if err != nil {
				t.Fatal(err)
			}
			var headers []*types.Header
			if err := rlp.DecodeBytes(a.Headers, &headers); err != nil || len(headers) == 0 {
				t.Fatalf("from block %d: %d headers, %v", n, len(headers), err)
			}
			for _, h := range headers {
				if h.Number.Uint64() != n || parent != nil && h.ParentHash != parent.Hash() {
					t.Fatalf("block %v after %v", h.Number, parent)
				}
				parent = h
				n++
			}
		}
	}
}

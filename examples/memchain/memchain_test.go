package main

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestGrowingChain: a remote learns of the head, and gets each block up to it. The test plays B.
func TestGrowingChain(t *testing.T) {
	m, err := newMemory(40)
	if err != nil {
		t.Fatal(err)
	}
	e := eth.New(eth.Config{Chain: m.network, Source: m})
	p := protocoltest.NewPair(t, e.Spec(), protocoltest.ByHand(eth.New(eth.Config{Chain: m.network}).Spec()))
	headers := func() (list []*types.Header) {
		a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Amount: 100}})
		if err != nil {
			t.Fatal(err)
		}
		if err := rlp.DecodeBytes(a.Headers, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := headers(); len(got) != 1 || got[0].Hash() != m.network.Genesis.Hash() {
		t.Errorf("%d headers before the chain grows, want the genesis block's", len(got))
	}
	for m.grow() {
	}
	announce(e, m)
	if got := protocoltest.Next[eth.BlockRangeUpdate](p.B); got.Latest != 40 {
		t.Errorf("the latest block is %d, want 40", got.Latest)
	}
	got := headers()
	if len(got) != 41 {
		t.Fatalf("%d headers, want 41", len(got))
	}
	for i, h := range got[1:] {
		if h.ParentHash != got[i].Hash() {
			t.Errorf("header %d does not follow on the one before", i+1)
		}
	}
	a, err := protocols.Call[eth.BlockBodies](t.Context(), p.B.Link, &eth.GetBlockBodies{Hashes: []common.Hash{got[40].Hash()}})
	if err != nil {
		t.Fatal(err)
	}
	var bodies []*types.Body
	if err := rlp.DecodeBytes(a.Bodies, &bodies); err != nil || len(bodies) != 1 || len(bodies[0].Transactions) != 1 {
		t.Errorf("bodies %v, %v; want one transaction", bodies, err)
	}
}

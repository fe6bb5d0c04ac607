package eth_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// withFiles returns a pair, A of which serves the test chain from its files, once they are indexed.
func withFiles(t *testing.T, cfg eth.Config) *protocoltest.Pair {
	t.Helper()
	client := eth.New(cfg).Spec()
	cfg.History = []string{ethtest.Chain(t, "chain.rlp"), "history/testdata"}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(client))
	whole := func(r chain.Range) bool { return r.Latest == 600 && r.Earliest == 0 }
	if !whole(protocols.StatusOf[eth.Status](p.B.Link).Range()) {
		protocoltest.Await(p.B, func(r *eth.BlockRangeUpdate) bool { return whole(chain.Range(*r)) })
	}
	return p
}

// TestAnswersFromMemory: what is asked for again comes from memory, and is the same.
func TestAnswersFromMemory(t *testing.T) {
	n, files := testChain(t)
	x := readTruth(t, n.Genesis.Header())
	for _, version := range []uint{69, 72} {
		p := withFiles(t, eth.Config{Chain: n, Versions: []uint{version}})
		c := client{T: t, link: p.B.Link, version: version}
		for range 2 {
			var hashes []common.Hash
			for i, h := range c.headers() {
				hashes = append(hashes, crypto.Keccak256Hash(h))
				compare(t, files, chain.Header, i, h)
			}
			bodies := ask(c, hashes, func(h []common.Hash) any { return &eth.GetBlockBodies{Hashes: h} }, func(a *eth.BlockBodies) []byte { return a.Bodies })
			for i, b := range bodies {
				compare(t, files, chain.Body, i, b)
			}
			if len(bodies) != 601 {
				t.Errorf("%d bodies, want 601", len(bodies))
			}
			c.checkReceipts(files, x, hashes)
		}
		p.Close()
	}
}

// TestMemoryIsWithinUpload: answers from memory count, and wait, as others do.
func TestMemoryIsWithinUpload(t *testing.T) {
	n, files := testChain(t)
	large := &eth.GetReceipts70{Hashes: eth.Hashes{hashOf(t, files, largeBlock)}}
	for name, cfg := range map[string]eth.Config{"of a link": {UploadPeer: 1 << 20}, "of all": {Upload: 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				cfg.Chain, cfg.Versions = n, []uint{70}
				p := withFiles(t, cfg)
				begin := time.Now()
				for range 5 { // of 2 MiB each; the debt of the last is not waited for
					if _, err := protocols.Call[eth.Receipts70](t.Context(), p.B.Link, large, protocols.Within(time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(begin); took < 6*time.Second || took > 9*time.Second {
					t.Errorf("8 MiB at 1 MiB a second took %v", took)
				}
			})
		})
	}
}

// TestAnswerCostsNoMemoryPerBlock: what an answer from memory allocates does not depend on its blocks.
func TestAnswerCostsNoMemoryPerBlock(t *testing.T) {
	_, files := testChain(t)
	w := window.New(window.Config{Below: files})
	var hashes []common.Hash
	for i := range uint64(128) {
		hashes = append(hashes, hashOf(t, files, 100+i))
	}
	for name, f := range map[string]func(serve.Source) []byte{
		"headers": func(s serve.Source) []byte {
			return serve.Headers(s, serve.HeadersQuery{Origin: serve.Origin{Number: 100}, Amount: 128})
		},
		"bodies":   func(s serve.Source) []byte { return serve.Bodies(s, hashes) },
		"receipts": func(s serve.Source) []byte { list, _ := serve.Receipts70(s, hashes, 0); return list },
	} {
		f(w) // reads the files
		memory := serve.MemoryOf(w)
		if got := testing.AllocsPerRun(20, func() { serve.Free(f(memory)) }); got > 4 || memory.Missed() {
			t.Errorf("%s of 128 blocks: %v allocations, want at most 4 (missed: %v)", name, got, memory.Missed())
		}
	}
}

package eth_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestFilesAreIndexed: a node that is given files serves them, and tells its peers.
func TestFilesAreIndexed(t *testing.T) {
	cfg := eth.Config{Genesis: ethtest.Chain(t, "genesis.json"), Versions: []uint{69}}
	client := eth.New(cfg).Spec()
	cfg.History = []string{ethtest.Chain(t, "chain.rlp"), "history/testdata"}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(client))
	got := protocols.StatusOf[eth.Status](p.B.Link).Range()
	for got.Latest != 600 || got.Earliest != 0 {
		got = chain.Range(*protocoltest.Next[eth.BlockRangeUpdate](p.B))
	}
}

// TestUpload: the bounds on the upload delay answers, and neither lose them nor end the link.
func TestUpload(t *testing.T) {
	n, files := testChain(t)
	for name, cfg := range map[string]eth.Config{
		"for all":  {Upload: 100_000},
		"per peer": {UploadPeer: 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Chain, cfg.Source, cfg.Versions = n, files, []uint{69}
				p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(cfg).Spec()))
				start, size := time.Now(), 0
				for size < 12<<20 {
					a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{
						Query: serve.HeadersQuery{Origin: serve.Origin{Number: 1}, Amount: 600},
					}, protocols.Within(time.Minute))
					if err != nil {
						t.Fatal(err)
					}
					size += len(a.Headers)
				}
				// What is sent at once without delay is one message.
				want := time.Duration(size-serve.MaxMessage) * time.Second / 100_000
				if took := time.Since(start); took < want-time.Second || took > want+5*time.Second {
					t.Errorf("%d bytes took %v, want %v", size, took, want)
				}
			})
		})
	}
}

// TestCrashes: an actor that crashes at every other message loses that message alone.
func TestCrashes(t *testing.T) {
	n, files := testChain(t)
	cfg := eth.Config{Chain: n, Source: files, Versions: []uint{69}}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(cfg).Spec()))
	answered := 0
	for i := range 40 {
		if i%10 == 5 {
			p.A.Crash()
		}
		a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Origin: serve.Origin{Number: uint64(i)}, Amount: 1}})
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if len(split(t, a.Headers)) == 1 {
			answered++
		}
	}
	if answered != 40 || p.A.Restarts() == 0 {
		t.Errorf("%d of 40 requests answered, %d restarts", answered, p.A.Restarts())
	}
}

// TestRequestsAtOnce: more requests than wait for their answers hold the remote back, and all are
// answered.
func TestRequestsAtOnce(t *testing.T) {
	n, files := testChain(t)
	cfg := eth.Config{Chain: n, Source: files, Versions: []uint{69}}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(cfg).Spec()))
	var all sync.WaitGroup
	for i := range protocols.DefaultAsks {
		all.Go(func() {
			a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Origin: serve.Origin{Number: uint64(i)}, Amount: 20}})
			if err != nil || len(split(t, a.Headers)) != 20 {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

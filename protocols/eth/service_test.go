package eth_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest"
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
	log := &nodetest.Log{}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(client), protocoltest.Log(log.Logger()))
	got := protocols.StatusOf[eth.Status](p.B.Link).Range()
	for got.Latest != 600 || got.Earliest != 0 {
		got = chain.Range(*protocoltest.Await[eth.BlockRangeUpdate](p.B, nil)) // the node asks for headers meanwhile
	}
	const logged = `"history files indexed"`
	actortest.Eventually(t, "the log says what is there", func() bool { return len(log.Lines(logged)) > 0 })
	if line := log.Lines(logged)[0]; !strings.Contains(line, `"files":2,"leftout":0,"blocks":601,"from":0,"to":600`) {
		t.Errorf("log line %s", line)
	}
}

// TestFilesAreLeftOut: a file that turns out to be corrupt is not announced any more, and without
// files there is the genesis block.
func TestFilesAreLeftOut(t *testing.T) {
	b, err := os.ReadFile("history/testdata/unknown-00000-9d78f735-noproofs.ere")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	long, short := filepath.Join(dir, "long.ere"), filepath.Join(dir, "short.ere")
	for path, content := range map[string][]byte{long: b, short: ethtest.FirstOfEre(b, 101)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, files := testChain(t)
	cfg := eth.Config{Genesis: ethtest.Chain(t, "genesis.json"), Versions: []uint{69}}
	client := eth.New(cfg).Spec()
	cfg.History = []string{long, short}
	server := eth.New(cfg)
	p := protocoltest.NewPair(t, server.Spec(), protocoltest.ByHand(client))
	await := func(latest uint64) {
		t.Helper()
		for {
			if got := protocoltest.Await[eth.BlockRangeUpdate](p.B, nil); got.Latest == latest {
				if latest == 0 && got.LatestHash != protocols.StatusOf[eth.Status](p.B.Link).Genesis {
					t.Errorf("block 0 is %v", got.LatestHash)
				}
				return
			}
		}
	}
	if protocols.StatusOf[eth.Status](p.B.Link).Range().Latest != 600 {
		await(600)
	}
	for _, c := range []struct {
		path   string
		block  uint64 // of the file, that was not read before
		latest uint64
	}{{long, 530, 100}, {short, 30, 0}} {
		if err := os.Truncate(c.path, 1000); err != nil {
			t.Fatal(err)
		}
		a, err := protocols.Call[eth.BlockBodies](t.Context(), p.B.Link, &eth.GetBlockBodies{
			Hashes: eth.Hashes{hashOf(t, files, c.block)},
		})
		if err != nil || c.latest == 0 && len(split(t, a.Bodies)) != 0 {
			t.Errorf("%s: %v", c.path, err)
		}
		await(c.latest)
	}
}

// TestViewChanges: peers learn what the owner of a Source says of it, also after a crash of the
// service, and those that speak eth/68 stay.
func TestViewChanges(t *testing.T) {
	n, files := testChain(t)
	for _, version := range []uint{68, 69} {
		cfg := eth.Config{Chain: n, Source: files, Versions: []uint{version}}
		server := eth.New(cfg)
		p := protocoltest.NewPair(t, server.Spec(), protocoltest.ByHand(eth.New(cfg).Spec()))
		for i, head := range []uint64{100, 132, 140, 120} {
			if i == 2 {
				p.A.CrashService()
			}
			b := chain.Block{Number: head, Hash: hashOf(t, files, head)}
			server.View().Set(b, 0)
			if version == 68 || head == 140 {
				continue // no such message, or too little to tell
			}
			want := eth.BlockRangeUpdate{Latest: head, LatestHash: b.Hash}
			if got := protocoltest.Next[eth.BlockRangeUpdate](p.B); *got != want {
				t.Errorf("update %+v, want %+v", *got, want)
			}
		}
		a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Amount: 1}})
		if err != nil || len(split(t, a.Headers)) != 1 {
			t.Errorf("eth/%d: %v", version, err)
		}
		p.Close()
	}
}

// TestNothingPooled: requests for transactions that the node does not have get an answer.
func TestNothingPooled(t *testing.T) {
	n, files := testChain(t)
	cfg := eth.Config{Chain: n, Source: files, Versions: []uint{72}}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(cfg).Spec()))
	txs, err := protocols.Call[eth.PooledTransactions](t.Context(), p.B.Link, &eth.GetPooledTransactions{Hashes: []common.Hash{{1}}})
	if err != nil || len(split(t, txs.Transactions)) != 0 {
		t.Errorf("%+v, %v", txs, err)
	}
	cells, err := protocols.Call[eth.Cells](t.Context(), p.B.Link, &eth.GetCells{Hashes: []common.Hash{{1}}})
	if err != nil || len(cells.Hashes) != 0 || len(split(t, cells.Cells)) != 0 {
		t.Errorf("%+v, %v", cells, err)
	}
}

func hashOf(t testing.TB, files *eth.Files, n uint64) common.Hash {
	t.Helper()
	header, err := files.Read(chain.Header, n)
	if err != nil {
		t.Fatal(err)
	}
	return crypto.Keccak256Hash(header)
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
				start, size, last := time.Now(), 0, 0
				for size < 12<<20 {
					a, err := protocols.Call[eth.BlockHeaders](t.Context(), p.B.Link, &eth.GetBlockHeaders{
						Query: serve.HeadersQuery{Origin: serve.Origin{Number: 1}, Amount: 600},
					}, protocols.Within(time.Minute))
					if err != nil {
						t.Fatal(err)
					}
					last = len(a.Headers)
					size += last
				}
				// A second's worth goes at once, and the last answer is owed for.
				want := time.Duration(size-last-100_000) * time.Second / 100_000
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

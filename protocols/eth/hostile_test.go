package eth_test

import (
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// largeBlock is the block of the test chain with 10.6 MB of receipts.
const largeBlock = 14

// TestViewChangesDuringHandshake: a remote that was told a range in its handshake, and is slow to
// answer, learns of a change meanwhile.
func TestViewChangesDuringHandshake(t *testing.T) {
	n, files := testChain(t)
	cfg := eth.Config{Chain: n, Source: files, Versions: []uint{69}}
	server := eth.New(cfg)
	p := protocoltest.NewPair(t, server.Spec(), byHandStatus(cfg))
	theirs := *protocoltest.Next[eth.Status](p.B)
	head := chain.Block{Number: 600, Hash: hashOf(t, files, 600)}
	server.View().Set(head, 0)
	if err := p.B.Send(&theirs); err != nil {
		t.Fatal(err)
	}
	want := eth.BlockRangeUpdate{Latest: 600, LatestHash: head.Hash}
	if got := protocoltest.Next[eth.BlockRangeUpdate](p.B); *got != want {
		t.Errorf("update %+v, want %+v", *got, want)
	}
}

// counted is a source with one block, whose receipts do not compress. It counts how often they are read.
type counted struct {
	*eth.Files
	receipts []byte
	reads    *atomic.Int64
}

func (c counted) Read(p chain.Part, n uint64) ([]byte, error) {
	if p == chain.Receipts {
		c.reads.Add(1)
		return c.receipts, nil
	}
	return c.Files.Read(p, n)
}

// TestAnswersThatAreNotRead: the node computes no answer for a remote while one before it is not read.
func TestAnswersThatAreNotRead(t *testing.T) {
	n, files := testChain(t)
	var receipts [][]byte
	for range 10 {
		r := make([]byte, 150<<10)
		_, _ = rand.Read(r)
		receipts = append(receipts, r)
	}
	encoded, err := rlp.EncodeToBytes(receipts)
	if err != nil {
		t.Fatal(err)
	}
	actortest.Bubble(t, func(t *testing.T) {
		var reads atomic.Int64
		cfg := eth.Config{Chain: n, Source: counted{files, encoded, &reads}, Versions: []uint{69}}
		p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(eth.New(cfg).Spec()), protocoltest.Buffer(64<<10))
		p.B.Pause()
		for range 20 {
			if _, err := p.B.Link.Ask(&eth.GetReceipts{Hashes: eth.Hashes{n.Genesis.Hash()}}, protocols.Within(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		actortest.After(time.Second)
		if got := reads.Load(); got != 1 {
			t.Errorf("%d answers were computed while the first is being written", got)
		}
		p.B.Resume()
		for range 20 {
			protocoltest.Next[eth.Receipts](p.B)
		}
	})
}

// TestUploadOfThoseThatLeave: remotes that ask for much and leave do not use up the upload of others.
func TestUploadOfThoseThatLeave(t *testing.T) {
	n, files := testChain(t)
	large := eth.Hashes{hashOf(t, files, largeBlock)}
	actortest.Bubble(t, func(t *testing.T) {
		const greedy = 6
		up := make(chan *protocols.Link, greedy+1)
		cluster := nodetest.New(t, greedy+2, func(i int, c *node.Config) {
			if i == 0 {
				c.Specs = []protocols.Spec{eth.New(eth.Config{Chain: n, Source: files, Upload: 1 << 20}).Spec()}
				return
			}
			spec := eth.New(eth.Config{Chain: n, Source: files}).Spec()
			spec.New = func() actor.Actor {
				return actor.ReceiveFunc(func(ctx actor.Context) {
					if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
						up <- msg.Link.Shared()
					}
				})
			}
			c.Specs = []protocols.Spec{spec}
		})
		for i := range greedy {
			cluster.Connect(i+1, 0)
			link := <-up
			for range 4 {
				if _, err := link.Ask(&eth.GetReceipts70{Hashes: large}); err != nil {
					t.Fatal(err)
				}
			}
			actortest.After(100 * time.Millisecond)
			link.Disconnect(protocols.DiscRequested)
		}
		cluster.Connect(greedy+1, 0)
		begin := time.Now()
		_, err := protocols.Call[eth.BlockHeaders](t.Context(), <-up, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Amount: 1}}, protocols.Within(time.Hour))
		if took := time.Since(begin); err != nil || took > 15*time.Second {
			t.Errorf("one header took %v (%v), want less than what the others had got", took, err)
		}
	})
}

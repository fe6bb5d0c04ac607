package eth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// visitor is a remote that answers as a node does, and asks what another client asks.
type visitor struct {
	liar
	*visit
}

// visit is what a test knows of the link of a visitor.
type visit struct {
	name string
	mu   sync.Mutex
	link *protocols.Link
	told chain.Range // by the node
}

func (v *visitor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		v.set(func() {
			if v.visit.link = msg.Link.Shared(); msg.Link.Version() >= 69 {
				v.told = protocols.StatusOf[eth.Status](msg.Link).Range()
			} else {
				v.told.LatestHash = protocols.StatusOf[eth.Status68](msg.Link).Head
			}
		})
	case *eth.BlockRangeUpdate:
		v.set(func() { v.told = chain.Range(*msg) })
	}
	v.liar.Receive(ctx)
}

func (v *visit) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

// headers returns the headers that the node has for a query.
func (v *visit) headers(t *testing.T, q serve.HeadersQuery) (list []*types.Header) {
	t.Helper()
	a, err := protocols.Call[eth.BlockHeaders](t.Context(), v.link, &eth.GetBlockHeaders{Query: q})
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	mustDecode(a.Headers, &list)
	return list
}

// asksForHead asks for the header of the head that the node has told, as Besu and reth do.
func (v *visit) asksForHead(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	want := v.told.LatestHash
	v.mu.Unlock()
	got := v.headers(t, serve.HeadersQuery{Origin: serve.Origin{Hash: want}, Amount: 1})
	if len(got) != 1 || got[0].Hash() != want {
		t.Errorf("%s: %d headers for the head %v that the node has told", v.name, len(got), want)
	}
}

// asksForRange asks for the first and the last block of the range that the node has told, as a client does
// that synchronises.
func (v *visit) asksForRange(t *testing.T, files *eth.Files) {
	t.Helper()
	v.mu.Lock()
	told := v.told
	v.mu.Unlock()
	for _, n := range []uint64{told.Earliest, told.Latest} {
		a, err := protocols.Call[eth.BlockBodies](t.Context(), v.link, &eth.GetBlockBodies{Hashes: eth.Hashes{hashOf(t, files, n)}})
		if err != nil || len(split(t, a.Bodies)) != 1 {
			t.Errorf("%s: no body of block %d, of the range %+v (%v)", v.name, n, told, err)
		}
		r, err := protocols.Call[eth.Receipts70](t.Context(), v.link, &eth.GetReceipts70{Hashes: eth.Hashes{hashOf(t, files, n)}})
		if err != nil || len(split(t, r.Receipts)) != 1 {
			t.Errorf("%s: no receipts of block %d, of the range %+v (%v)", v.name, n, told, err)
		}
	}
}

// TestContactByWindow: a node without files has what other clients ask for at first contact, and at
// each head of theirs, at once when that comes. None of them has a reason to leave it.
func TestContactByWindow(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		visits := map[string]*visit{}
		for name, version := range map[string]uint{"Nethermind": 69, "Besu": 70, "reth": 71, "Erigon": 68, "go-ethereum": 72} {
			v := &visit{name: name}
			visits[name] = v
			w.serve(eth.Config{Versions: []uint{version}}, func(s *protocols.Spec) {
				never := func(serve.Source, any) ([]any, bool) { return nil, false }
				s.New = func() actor.Actor { return &visitor{liar{src: growing{files, w.head}, lie: never}, v} }
			})
		}
		follower, self := w.follow()
		ends := firstEnds(nodetest.Watch(t, self))
		actortest.After(500 * time.Millisecond)
		for _, v := range visits { // the head is not known: it is the genesis block
			v.asksForHead(t)
		}
		w.grow(500)
		actortest.After(time.Minute)
		for head := uint64(501); head <= 540; head++ {
			w.grow(head)
			parent, finalized := hashOf(t, files, head-1), hashOf(t, files, head-95)
			if got := visits["Nethermind"].headers(t, serve.HeadersQuery{Origin: serve.Origin{Hash: parent}, Amount: 2}); len(got) == 0 || got[0].Hash() != parent {
				t.Errorf("Nethermind: %d headers from the parent of block %d on", len(got), head)
			}
			if got := visits["Nethermind"].headers(t, serve.HeadersQuery{Origin: serve.Origin{Hash: finalized}, Amount: 1}); len(got) != 1 || got[0].Hash() != finalized {
				t.Errorf("Nethermind: %d headers for the finalized block of head %d", len(got), head)
			}
			actortest.After(6 * time.Second)
			for _, v := range visits {
				v.asksForHead(t)
			}
			visits["reth"].asksForRange(t, files)
			visits["go-ethereum"].asksForRange(t, files)
			actortest.After(6 * time.Second)
		}
		for id, cause := range ends() {
			t.Errorf("the link to %v ended: %v", id, cause)
		}
		if got := follower.View().Range(); got.Latest < 539 {
			t.Errorf("the follower serves %+v", got)
		}
	})
}

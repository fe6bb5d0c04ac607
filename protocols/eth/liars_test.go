package eth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// liarCases are all lies about headers and parts of blocks.
var liarCases = []struct {
	name    string
	version uint
	lie     lie
	want    string // what the link's cause has; empty: the link stays
}{
	{"parent hash", 69, aboutHeaders(func(h []*types.Header) []*types.Header { h[0] = badExtra(h[0]); return h }), "headers: item 1: parent hash: "},
	{"number", 69, aboutHeaders(func(h []*types.Header) []*types.Header { h[1] = badNumber(h[1]); return h }), "headers: item 1: number: "},
	{"headers out of order", 68, aboutHeaders(func(h []*types.Header) []*types.Header { slices.Reverse(h); return h }), "headers: item 0: "},
	{"a header twice", 70, aboutHeaders(func(h []*types.Header) []*types.Header { h[1] = h[0]; return h }), "headers: item 1: number: "},
	{"transactions root", 69, aboutBodies(func(b *types.Body) { b.Transactions = append(b.Transactions, types.NewTx(&types.LegacyTx{})) }), "transactions"},
	{"uncle hash", 70, aboutBodies(func(b *types.Body) { b.Uncles = []*types.Header{{Difficulty: zeroInt, Number: zeroInt}} }), "bodies: item 0: block "},
	{"withdrawals root", 71, aboutBodies(func(b *types.Body) { b.Withdrawals = append(b.Withdrawals, &types.Withdrawal{Index: 1 << 40}) }), "withdrawals root: "},
	{"receipts root", 70, aboutReceipts(func(src serve.Source, q *eth.GetReceipts70) any {
		return &eth.Receipts70{ID: q.ID, Receipts: []byte{0xc2, 0xc1, 0xc0}}
	}), "receipts: item 0: "},
	{"parts that never end", 71, aboutReceipts(parts), "receipts: item 0: block "},
	{"block access list hash", 71, aboutLists([]byte{0xc2, 0xc1, 0xc0}), "block access lists: item 0: block "},
	{"0xc0 for a missing block access list", 72, aboutLists([]byte{0xc1, 0xc0}), "block access list hash: "},
	{"wrong and late", 70, wrongAndLate, "bodies: item 0: block "},
	{"unasked", 69, unasked, "message 0x06 of eth/69: an answer to no request: request "},
	{"twice", 70, times(2), "has its answer"},
	{"without end", 71, times(1000), "has its answer"},
	{"of another kind", 72, otherKind, "*eth.GetBlockBodies, which expects 0x06"},
	{"half", 69, half, "message 0x06 of eth/69 from "},
	{"silence", 71, silence, "useless peer, protocol eth/71 after message 0x00: no request was answered: "},
	{"empty answers", 70, nothing, ""},
	{"10 MiB of empty headers", 69, func(_ serve.Source, request any) ([]any, bool) {
		q, ok := request.(*eth.GetBlockHeaders)
		if !ok {
			return nil, false
		}
		return []any{&eth.BlockHeaders{ID: q.ID, Headers: tenMiB}}, true
	}, "headers: "},
	{"10 MiB of empty bodies", 70, func(_ serve.Source, request any) ([]any, bool) {
		q, ok := request.(*eth.GetBlockBodies)
		if !ok {
			return nil, false
		}
		return []any{&eth.BlockBodies{ID: q.ID, Bodies: tenMiB}}, true
	}, "bodies: number of items: more than was asked for"},
	{"10 MiB of empty receipts", 71, aboutReceipts(func(_ serve.Source, q *eth.GetReceipts70) any {
		return &eth.Receipts70{ID: q.ID, Receipts: tenMiB}
	}), "receipts: number of items: more than was asked for"},
	{"10 MiB of empty block access lists", 72, aboutLists(tenMiB), "block access lists: number of items: more than was asked for"},
}

// TestLiars: a node that follows three honest peers and one liar for each lie closes the liars for what
// they lied about, and has what the honest ones have.
func TestLiars(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		for range 3 {
			w.serve(eth.Config{})
		}
		lying := map[enode.ID]int{}
		for i, c := range liarCases {
			w.serve(eth.Config{Versions: []uint{c.version}}, lies(growing{files, w.head}, c.lie))
			lying[w.nodes[len(w.nodes)-1].Self().ID()] = i
		}
		w.grow(500)
		follower, self := w.follow()
		ends := firstEnds(nodetest.Watch(t, self))
		for head := uint64(501); head <= 560; head++ {
			actortest.After(12 * time.Second)
			w.grow(head)
			ends()
		}
		actortest.After(2 * time.Minute)
		if got, want := follower.View().Range(), w.rangeTo(560); got.Latest != want.Latest || got.Earliest > want.Earliest {
			t.Errorf("the follower serves %+v, want %+v", got, want)
		}
		found := ends()
		for id, i := range lying {
			c := liarCases[i]
			switch cause := found[id]; {
			case c.want == "" && cause == nil:
			case cause == nil || c.want == "" || cause.Side != protocols.Local || !strings.Contains(fmt.Sprint(cause), c.want):
				t.Errorf("%s: the link ended with %v, want %q", c.name, cause, c.want)
			}
			delete(found, id)
		}
		for id, cause := range found {
			t.Errorf("the link to an honest peer, %v, ended with %v", id, cause)
		}
	})
}

// firstEnds returns a function that returns why the first link to each node ended.
func firstEnds(w *nodetest.Watcher) func() map[enode.ID]*protocols.Cause {
	found := map[enode.ID]*protocols.Cause{}
	return func() map[enode.ID]*protocols.Cause {
		for {
			select {
			case e := <-w.Events:
				if e.Kind == node.PeerDropped && found[e.Peer.ID] == nil {
					found[e.Peer.ID] = e.Cause
				}
			default:
				return found
			}
		}
	}
}

package window_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/head"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

// node has the rules of asking, joined as the node's service joins them. Remotes answer at once.
type node struct {
	t       *testing.T
	now     time.Time
	votes   *head.Election
	s       *ask.Scheduler
	w       *window.Window
	remotes map[enode.ID]*remote
	heads   map[ask.WantID]bool // wants of the election
	asked   map[common.Hash]verify.Header
	closed  map[enode.ID]error
}

// remote serves the test chain up to a block, with the receipts of the block before if it lies.
type remote struct {
	blocks  []testchain.Block
	numbers map[common.Hash]uint64
	to      uint64
	lies    bool
	empty   bool // no bodies and receipts
}

func (r *remote) Number(hash common.Hash) (uint64, bool) {
	n, ok := r.numbers[hash]
	return n, ok && n <= r.to
}

func (r *remote) Side(common.Hash) ([]byte, bool) { return nil, false }

func (r *remote) Read(p chain.Part, n uint64) ([]byte, error) {
	if n > r.to || r.empty && p != chain.Header {
		return nil, chain.ErrAbsent
	}
	b := r.blocks[n]
	if r.lies && p == chain.Receipts {
		b = r.blocks[n-1]
	}
	return map[chain.Part][]byte{chain.Header: b.Header, chain.Body: b.Body, chain.Receipts: b.Receipts}[p], nil
}

func (n *node) do(actions []ask.Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case ask.Close:
			n.closed[a.Peer] = a.Cause
			n.votes.Leave(a.Peer)
		case ask.Ask:
			n.answer(a)
		}
	}
}

// answer has a remote answer, checks that, and hands out what was found.
func (n *node) answer(a ask.Ask) {
	r, req := n.remotes[a.Peer], a.Request
	var asked []verify.Header
	var hashes []common.Hash
	for _, b := range req.Blocks {
		asked, hashes = append(asked, n.asked[b.Hash]), append(hashes, b.Hash)
	}
	var found ask.Result
	var answer verify.Answer
	var list []verify.Header
	switch req.Kind {
	case ask.Headers:
		list, found.Err = verify.Headers(req.Query, serve.Headers(r, req.Query))
		found.Headers = len(list)
	case ask.Bodies:
		answer, found.Err = verify.Bodies(asked, serve.Bodies(r, hashes))
	case ask.Receipts:
		answer, found.Err = verify.Receipts69(asked, serve.Receipts69(r, hashes))
	}
	if _, ok, actions := n.s.Arrived(n.now, a.Peer, req.ID, req.Kind, 0); !ok {
		n.do(actions)
		return
	}
	found.Spoken = answer.Spoken
	for _, p := range answer.Parts {
		found.Got = append(found.Got, !p.None())
		n.w.Put(p)
	}
	if n.heads[req.Want] && found.Err == nil {
		n.votes.Answer(n.now, a.Peer, req.Query, list)
	} else {
		n.w.PutBelow(list)
	}
	n.do(n.s.Done(n.now, req.ID, found))
}

func (n *node) want(w ask.Want) {
	id, actions, err := n.s.Add(n.now, w)
	if err != nil {
		n.t.Fatal(err)
	}
	n.heads[id] = w.Asker == "head"
	n.do(actions)
}

// slot asks for the head, and then for all that the window misses.
func (n *node) slot() {
	for _, q := range n.votes.Ask(n.now) {
		n.want(ask.Want{Asker: "head", Kind: ask.Headers, Query: q.Query, Only: &q.Peer, Tries: 1, Deadline: n.now.Add(12 * time.Second)})
	}
	n.w.SetHead(n.votes.Decide(n.now).Branch)
	if q, ok := n.w.NeedHeaders(); ok {
		n.want(ask.Want{Asker: "window", Kind: ask.Headers, Query: q})
	}
	for kind, part := range map[ask.Kind]chain.Part{ask.Bodies: chain.Body, ask.Receipts: chain.Receipts} {
		var blocks []ask.Block
		for _, h := range n.w.Missing(part, 64, nil) {
			n.asked[h.Hash] = h
			blocks = append(blocks, ask.Block{Number: h.Number, Hash: h.Hash})
		}
		if len(blocks) > 0 {
			n.want(ask.Want{Asker: "window", Kind: kind, Blocks: blocks})
		}
	}
	for range 12 {
		n.now = n.now.Add(time.Second)
		n.do(n.s.Tick(n.now))
	}
}

// TestFollow follows the test chain by the answers of eight remotes in as many networks. One lies
// about receipts and is closed, with the field as its cause. One has headers alone, which is no fault.
func TestFollow(t *testing.T) {
	all := headers(t, 0, 600)
	numbers := map[common.Hash]uint64{}
	for _, h := range all {
		numbers[h.Hash] = h.Number
	}
	n := &node{t: t, now: time.Unix(1_700_000_000, 0), votes: head.New(12 * time.Second), s: ask.New(ask.Config{}), w: window.New(window.Config{}),
		remotes: map[enode.ID]*remote{}, heads: map[ask.WantID]bool{}, asked: map[common.Hash]verify.Header{}, closed: map[enode.ID]error{}}
	liar := enode.ID{1}
	for i := range 8 {
		peer := enode.ID{byte(1 + i)}
		n.remotes[peer] = &remote{blocks: testchain.Blocks(t), numbers: numbers, to: 300, lies: peer == liar, empty: i == 1}
		n.votes.Join(head.Peer{ID: peer, Addr: netip.AddrFrom4([4]byte{198, 51, byte(i), 1}), Latest: 300})
		n.do(n.s.Join(n.now, ask.Peer{ID: peer, Version: 69, Range: &chain.Range{Latest: 300, LatestHash: all[300].Hash}}))
	}
	for to := uint64(300); to <= 340; to++ {
		for _, r := range n.remotes {
			r.to = to
		}
		n.slot()
		got, first, ok := n.w.Run()
		if !ok || got.Number != to || got.Hash != all[to].Hash || first != to-63 {
			t.Fatalf("at %d: head %d, first %d, %v", to, got.Number, first, ok)
		}
	}
	if _, more := n.w.NeedHeaders(); more {
		t.Error("headers are missing")
	}
	var wrong *verify.Error
	if err := n.closed[liar]; len(n.closed) != 1 || err == nil {
		t.Errorf("closed: %v", n.closed)
	} else if wrong, _ = err.(*verify.Error); wrong == nil || wrong.Field != verify.FieldReceipts {
		t.Errorf("the liar is closed for %v", err)
	}
}

package eth_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// without is a source that lacks parts of some blocks.
type without struct {
	growing
	lacks func(p chain.Part, n uint64) bool
}

func (w without) Read(p chain.Part, n uint64) ([]byte, error) {
	if w.lacks(p, n) {
		return nil, chain.ErrAbsent
	}
	return w.growing.Read(p, n)
}

// TestHeadJumps: while blocks of the window are asked for in vain, the head goes far beyond them.
func TestHeadJumps(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		for range 3 {
			w.serve(eth.Config{Source: without{growing{files, w.head}, func(p chain.Part, n uint64) bool { return p != chain.Header && n <= 100 }}})
		}
		w.grow(100)
		follower, _ := w.follow()
		actortest.After(time.Minute)
		w.grow(600)
		actortest.After(2 * time.Minute)
		if got, want := follower.View().Range(), w.rangeTo(600); got != want {
			t.Errorf("the follower serves %+v, want %+v", got, want)
		}
	})
}

// TestFollow: a node without files finds out the head from its peers, fetches the last blocks, and
// announces the run of those that it has.
func TestFollow(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		for _, versions := range [][]uint{{68}, {69}, {70}, {72, 71}} {
			w.serve(eth.Config{Versions: versions})
		}
		w.grow(500)
		follower, _ := w.follow()
		for _, head := range []uint64{500, 501, 600} {
			w.grow(head)
			actortest.After(time.Minute)
			if got, want := follower.View().Range(), w.rangeTo(head); got != want {
				t.Errorf("the follower serves %+v, want %+v", got, want)
			}
		}
	})
}

// TestNothingAskedThatFilesHave: what a file has that was indexed after the head was known is not asked
// for.
func TestNothingAskedThatFilesHave(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, History: []string{ethtest.Chain(t, "chain.rlp"), "history/testdata"}}, nil)
		actortest.After(time.Second)
		if got := h.View().Range().Latest; got != 600 {
			t.Fatalf("the node serves up to block %d", got)
		}
		r, server := newRemote(t), eth.New(eth.Config{Chain: n, Source: files})
		h.cfg.History, h.cfg.Source = nil, files
		h.startAs(t, r, server, netip.MustParseAddrPort("10.1.0.1:30303"), h.Self())
		server.View().Set(chain.Block{Number: 600, Hash: hashOf(t, files, 600)}, 0)
		actortest.After(time.Minute)
		if len(r.parts) != 0 {
			t.Errorf("the node has asked for what its files have: %v", r.parts)
		}
	})
}

// TestStaticPeerNeedsNoVote: the head of a static peer counts without others, that of a stranger does
// not.
func TestStaticPeerNeedsNoVote(t *testing.T) {
	n, files := testChain(t)
	for _, c := range []struct {
		static bool
		want   uint64
	}{{false, 0}, {true, 500}} {
		actortest.Bubble(t, func(t *testing.T) {
			w := newWorld(t, n, files)
			w.serve(eth.Config{})
			w.grow(500)
			follower, self := w.follow()
			if c.static {
				w.dial(self, w.nodes[0])
			}
			actortest.After(time.Minute)
			if got := follower.View().Range().Latest; got != c.want {
				t.Errorf("static is %v: the follower's head is block %d, want %d", c.static, got, c.want)
			}
		})
	}
}

package eth_test

import (
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
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

package blobs_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// TestAnyOrder: honest peers and liars announce, send, leave and come again in any order. No honest peer is
// ever at fault, what two honest peers have becomes whole or stands no longer than its time, and nothing is left
// in the end.
func TestAnyOrder(t *testing.T) {
	var txs []*transaction
	for i := range 6 {
		txs = append(txs, sign(ethtest.Blob(byte(1+i)), uint64(i)))
	}
	whole := 0
	for seed := range uint64(20) {
		w := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), txs: txs}
		cfg := blobs.Config{Custody: custody, Bytes: 3 << 20, Share: 1 << 20, Random: w.rand}
		w.f = blobs.New[string](cfg)
		w.run(200)
		whole += w.whole
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if whole < 40 {
		t.Errorf("%d transactions are whole", whole)
	}
}

type world struct {
	t        *testing.T
	r        *rand.Rand
	f        *blobs.Fetcher[string]
	now      time.Time
	txs      []*transaction
	peers    []string
	requests []*blobs.Request[string]
	jobs     []*blobs.Job[string]
	whole    int
}

func (w *world) rand() float64 { return w.r.Float64() }

func (w *world) run(steps int) {
	w.now = start
	for i := range 8 {
		w.join(i)
	}
	for range steps {
		w.step()
	}
	for _, p := range w.peers {
		w.do(w.f.Left(w.now, p))
	}
	w.now = w.now.Add(3 * time.Minute)
	w.do(w.f.Tick(w.now))
	if s := w.f.State(); s.Bytes != 0 || s.Tracked != 0 || s.Announcements != 0 {
		w.t.Errorf("left: %+v", s)
	}
}

func (w *world) join(i int) {
	p := fmt.Sprintf("%s%d", []string{"honest", "liar"}[w.r.IntN(2)], i)
	for _, other := range w.peers {
		if other == p {
			return
		}
	}
	w.peers = append(w.peers, p)
	w.f.Joined(p)
}

func (w *world) step() {
	x := w.txs[w.r.IntN(len(w.txs))]
	switch n := w.r.IntN(20); {
	case n == 0:
		w.join(w.r.IntN(20))
	case n < 10 && len(w.requests) > 0:
		i := w.r.IntN(len(w.requests))
		r := w.requests[i]
		w.requests = append(w.requests[:i], w.requests[i+1:]...)
		w.answer(r)
	case n < 14 && len(w.jobs) > 0:
		i := w.r.IntN(len(w.jobs))
		j := w.jobs[i]
		w.jobs = append(w.jobs[:i], w.jobs[i+1:]...)
		j.Run()
		w.do(w.f.Checked(w.now, j))
	case n == 14:
		w.now = w.now.Add(time.Duration(w.r.IntN(6)) * time.Second)
		w.do(w.f.Tick(w.now))
	case len(w.peers) == 0:
	default:
		p := w.peers[w.r.IntN(len(w.peers))]
		switch w.r.IntN(8) {
		case 0:
			w.leave(p)
		case 1:
			w.do(w.f.Forget(w.now, []common.Hash{x.hash()}))
		case 2, 3:
			w.do(w.f.Body(w.now, p, w.body(p, x), common.Address{1}))
		default:
			w.do(w.f.Announced(w.now, p, hashesOf([]*transaction{x}), w.mask()))
		}
	}
}

func (w *world) mask() types.CustodyBitmap {
	return []types.CustodyBitmap{all, all, all, data, custody, little}[w.r.IntN(6)]
}

func (w *world) lies(p string) bool { return strings.HasPrefix(p, "liar") && w.r.IntN(2) == 0 }

func (w *world) body(p string, x *transaction) *types.Transaction {
	if w.lies(p) {
		return x.wrongProofs([]int{5, 21, 70}[w.r.IntN(3)])
	}
	return x.tx
}

// answer answers a request, or not, as a peer does that has all, or part of it.
func (w *world) answer(r *blobs.Request[string]) {
	if w.r.IntN(8) == 0 {
		w.do(w.f.Failed(w.now, r))
		return
	}
	var cells []blobs.Cells
	for _, hash := range r.Hashes {
		for _, x := range w.txs {
			switch {
			case x.hash() != hash:
			case r.Body:
				w.do(w.f.Bodied(w.now, r, w.body(r.Peer, x), nil))
				return
			case w.lies(r.Peer):
				cells = append(cells, x.wrongCells(r.Mask))
			case w.r.IntN(6) > 0:
				cells = append(cells, x.answer(r.Mask))
			}
		}
	}
	w.do(w.f.Answered(w.now, r, cells, nil))
}

func (w *world) leave(p string) {
	for i, other := range w.peers {
		if other == p {
			w.peers = append(w.peers[:i], w.peers[i+1:]...)
			break
		}
	}
	w.do(w.f.Left(w.now, p))
}

func (w *world) do(a blobs.Actions[string]) {
	w.requests = append(w.requests, a.Requests...)
	w.jobs = append(w.jobs, a.Jobs...)
	for _, x := range a.Whole {
		w.whole++
		if err := blobs.Verify(x.Tx.BlobTxSidecar(), x.Cells); err != nil {
			w.t.Errorf("what is whole is wrong: %v", err)
		}
	}
	if s := w.f.State(); s.Bytes > 3<<20 || s.Bytes < 0 || s.Announcements < 0 {
		w.t.Errorf("%+v", s)
	}
	for _, fault := range a.Faults {
		if !strings.HasPrefix(fault.Peer, "liar") {
			w.t.Errorf("%s is at fault: %v", fault.Peer, fault.Err)
		}
		w.leave(fault.Peer)
	}
}

package blobs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// TestOnePeerIsAtFault: a peer that has sent both, whatever of it is wrong. The transaction comes from
// others.
func TestOnePeerIsAtFault(t *testing.T) {
	x := sign(varied(), 0)
	for _, role := range []float64{provider, sampler} {
		for name, wrong := range map[string]struct {
			tx    *types.Transaction
			cells func(types.CustodyBitmap) blobs.Cells
		}{
			"cells":  {x.tx, x.wrongCells},
			"proofs": {x.wrongProofs(5), x.answer},
		} {
			b := newBench(t, role, "liar", "b", "c")
			b.announce("liar", all, x)
			b.announce("b", all, x)
			b.announce("c", all, x)
			r := b.next("liar")
			b.body("liar", wrong.tx)
			b.answer(r, wrong.cells(r.Mask))
			b.expect(0, "liar")
			if err := b.faults[0].Err; !errors.Is(err, blobs.ErrCells) || !strings.Contains(err.Error(), x.hash().String()) {
				t.Errorf("%s: the cause is %v", name, err)
			}
			for len(b.requests) > 0 { // of the others
				r := b.next(b.requests[0].Peer)
				if r.Body {
					b.do(b.Bodied(b.now, r, x.tx, nil))
				} else {
					b.answer(r, x.answer(r.Mask))
				}
			}
			b.expect(1, "liar")
			b.empty()
		}
	}
}

// twoSources returns a bench in which peer body has sent a body, and peer cells is asked for cells, because the first
// has none.
func twoSources(t *testing.T, role float64, x *transaction, body *types.Transaction) (*bench, *blobs.Request[string]) {
	t.Helper()
	b := newBench(t, role, "body", "cells", "c")
	if role == sampler {
		b.announce("body", little, x)
	}
	b.announce("cells", all, x)
	b.announce("c", all, x)
	b.body("body", body)
	return b, b.next("cells")
}

// TestWrongCellsOrWrongProofs: cells of one peer do not fit the body of another. With 8 columns that does not
// say which of them is wrong; an honest peer of go-ethereum's loses its link by that.
func TestWrongCellsOrWrongProofs(t *testing.T) {
	x := sign(varied(), 0)
	for _, c := range []struct {
		name  string
		body  *types.Transaction // of the first peer
		own   *types.Transaction // of the sender of the cells
		cells blobs.Cells
		fault []string
		whole int // without more
	}{
		{"the cells are wrong", x.tx, x.tx, x.wrongCells(custody), []string{"cells"}, 0},
		{"the proofs are wrong", x.wrongProofs(21), x.tx, x.answer(custody), []string{"body"}, 1},
		{"both are wrong", x.wrongProofs(21), x.tx, x.wrongCells(custody), []string{"cells"}, 0},
		{"wrong proofs for wrong cells", x.tx, x.wrongProofs(21), x.wrongCells(custody), []string{"cells"}, 0},
		{"wrong proofs for right cells, twice", x.wrongProofs(21), x.wrongProofs(40), x.answer(custody), []string{"cells"}, 0},
		{"no own body", x.tx, nil, x.wrongCells(custody), nil, 0},
		{"an own body of another transaction", x.tx, sign(ethtest.Blob(1), 1).tx, x.wrongCells(custody), []string{"cells"}, 0},
		{"an own body without sidecar", x.tx, x.tx.WithoutBlobTxSidecar(), x.wrongCells(custody), []string{"cells"}, 0},
	} {
		b, r := twoSources(t, sampler, x, c.body)
		b.answer(r, c.cells)
		b.expect(0)
		var ask *blobs.Request[string]
		for _, r := range b.requests {
			if r.Body {
				ask = r
			}
		}
		if ask == nil || ask.Peer != "cells" || len(ask.Hashes) != 1 || ask.Hashes[0] != x.hash() {
			t.Fatalf("%s: the sender of the cells is not asked for its body, but %v are asked", c.name, b.list())
		}
		b.do(b.Bodied(b.now, ask, c.own, nil))
		if b.expect(c.whole, c.fault...); t.Failed() {
			t.Fatal(c.name)
		}
		// What is missing comes from the third peer, and the other body, if it was the wrong one.
		for range 4 {
			for _, r := range b.requests {
				if r.Peer == "c" && r.Body {
					b.do(b.Bodied(b.now, r, x.tx, nil))
				} else if r.Peer == "c" {
					b.answer(r, x.answer(r.Mask))
				}
			}
		}
		if len(b.whole) != 1 {
			t.Errorf("%s: the transaction is not whole in the end; at fault: %v", c.name, b.faults)
		}
	}
}

// TestHalfOfTheColumnsDecide: 64 columns give the blob, and the blob its commitment.
func TestHalfOfTheColumnsDecide(t *testing.T) {
	x := sign(varied(), 0)
	b, r := twoSources(t, provider, x, x.tx)
	b.answer(r, x.wrongCells(data))
	b.expect(0, "cells")

	b, r = twoSources(t, provider, x, x.wrongProofs(21))
	b.answer(r, x.answer(data))
	b.expect(0, "body")
	ask := b.next("cells")
	if !ask.Body {
		t.Fatalf("the sender of right cells is asked for %v", ask.Mask.Indices())
	}
	b.do(b.Bodied(b.now, ask, x.tx, nil))
	b.expect(1, "body")
	b.empty()
}

// TestProofsOfRecoveredCells: a provider verifies all proofs, because it serves them.
func TestProofsOfRecoveredCells(t *testing.T) {
	x := sign(varied(), 0)
	b, r := twoSources(t, provider, x, x.wrongProofs(100))
	b.answer(r, x.answer(data))
	b.expect(0, "body")
	b.do(b.Bodied(b.now, b.next("cells"), x.tx, nil))
	b.expect(1, "body")
	b.empty()
}

// TestAnotherNumberOfBlobs: the hash of the transaction covers it, so that the cells are wrong.
func TestAnotherNumberOfBlobs(t *testing.T) {
	x := sign(varied(), 0)
	for _, bodyFirst := range []bool{true, false} {
		b := newBench(t, sampler, "a", "b", "c")
		b.announce("a", custody, x)
		b.announce("b", all, x)
		b.announce("c", all, x)
		r := b.next("a")
		short := x.answer(custody)
		short.Cells = short.Cells[:custody.OneCount()]
		if bodyFirst {
			b.body("c", x.tx)
			b.answer(r, short)
		} else {
			b.answer(r, short)
			b.body("c", x.tx)
		}
		b.expect(0, "a")
		if !errors.Is(b.faults[0].Err, blobs.ErrAnswer) {
			t.Errorf("the cause is %v", b.faults[0].Err)
		}
	}
}

// TestWrongAnswers: their peer is at fault, and the others are asked.
func TestWrongAnswers(t *testing.T) {
	x, y := sign(varied(), 0), sign(ethtest.Blob(1), 1)
	malformed := errors.New("malformed")
	for name, wrong := range map[string]func(b *bench, r *blobs.Request[string]){
		"malformed":           func(b *bench, r *blobs.Request[string]) { b.do(b.Answered(b.now, r, nil, malformed)) },
		"another transaction": func(b *bench, r *blobs.Request[string]) { b.answer(r, y.answer(r.Mask)) },
		"twice":               func(b *bench, r *blobs.Request[string]) { b.answer(r, x.answer(r.Mask), x.answer(r.Mask)) },
		"other columns":       func(b *bench, r *blobs.Request[string]) { b.answer(r, x.answer(all)) },
		"a body without sidecar": func(b *bench, _ *blobs.Request[string]) {
			b.body("a", x.tx.WithoutBlobTxSidecar())
		},
		"a body with blobs": func(b *bench, _ *blobs.Request[string]) { b.body("a", x.full) },
	} {
		b := newBench(t, sampler, "a", "b", "c")
		for _, p := range []string{"a", "b", "c"} {
			b.announce(p, all, x)
		}
		wrong(b, b.next("a"))
		if b.expect(0, "a"); t.Failed() {
			t.Fatal(name)
		}
		b.body("b", x.tx)
		if len(b.whole) == 0 {
			b.answer(b.next("b"), x.answer(custody))
		}
		if b.expect(1, "a"); t.Failed() {
			t.Fatal(name)
		}
		b.empty()
	}
}

// TestDisputeWithAPeerThatLeaves: it ends without a verdict, as it does when the peer does not answer.
func TestDisputeWithAPeerThatLeaves(t *testing.T) {
	x := sign(varied(), 0)
	for name, end := range map[string]func(*bench){
		"leaves":     func(b *bench) { b.do(b.Left(b.now, "cells")) },
		"is silent":  func(b *bench) { b.do(b.Failed(b.now, b.next("cells"))) },
		"is too far": func(b *bench) { b.tick(3 * time.Minute) },
	} {
		b, r := twoSources(t, sampler, x, x.tx)
		b.answer(r, x.wrongCells(custody))
		slices.SortFunc(b.requests, func(a, _ *blobs.Request[string]) int {
			if a.Body {
				return -1
			}
			return 1
		})
		end(b)
		b.expect(0)
		for _, r := range b.requests {
			if r.Peer == "c" {
				b.answer(r, x.answer(r.Mask))
			}
		}
		if name != "is too far" {
			b.expect(1)
		}
		b.do(b.Left(b.now, "cells"))
		b.do(b.Left(b.now, "c"))
		b.empty()
	}
}

// TestNeverWhole: of a body whose cells no peer has, and of cells without body, nothing is left after two minutes.
func TestNeverWhole(t *testing.T) {
	x, y := sign(ethtest.Blob(1), 0), sign(ethtest.Blob(2), 1)
	b := newBench(t, provider, "a", "b")
	b.announce("a", little, x)
	b.body("a", x.tx)
	b.announce("b", all, y)
	b.answer(b.next("b"), y.answer(data)) // and never a body
	if b.State().Bytes == 0 {
		t.Error("nothing stands in the buffer")
	}
	b.tick(2*time.Minute - 1)
	if s := b.State(); s.Tracked != 2 {
		t.Errorf("%+v", s)
	}
	b.tick(1)
	b.expect(0)
	b.empty()
	if s := b.State(); s.Expired != 2 || b.Has(common.Hash{}) || b.Has(x.hash()) {
		t.Errorf("%+v", s)
	}
}

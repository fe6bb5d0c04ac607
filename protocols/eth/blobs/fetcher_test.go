package blobs_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// The roles that newBench's peers get.
const (
	provider = 0
	sampler  = 1
)

// little is a column that is in no custody here: a peer that has it alone can give the body, and no cells.
var little = types.NewCustodyBitmap([]uint64{0})

// TestBodyAndCellsMeet: in either order, as a provider and as a sampler.
func TestBodyAndCellsMeet(t *testing.T) {
	x := sign(varied(), 0)
	for _, c := range []struct {
		name       string
		role       float64
		asked, got types.CustodyBitmap
	}{{"provider", provider, data, all}, {"sampler", sampler, custody, custody}} {
		for _, cellsFirst := range []bool{false, true} {
			b := newBench(t, c.role, "a", "b")
			b.announce("a", all, x)
			if wait := len(b.requests) == 0; wait != (c.role == sampler) {
				t.Errorf("%s: requests after one has announced: %v", c.name, b.list())
			}
			b.announce("b", all, x)
			r := b.next("a")
			if r.Mask != c.asked || !slices.Equal(r.Hashes, []common.Hash{x.hash()}) || r.Body {
				t.Errorf("%s: %+v", c.name, r.Ask)
			}
			if b.Has(x.hash()) {
				t.Errorf("%s: has a body before one came", c.name)
			}
			if cellsFirst {
				b.answer(r, x.answer(r.Mask))
				b.body("a", x.tx)
			} else {
				b.body("a", x.tx)
				if !b.Has(x.hash()) {
					t.Errorf("%s: does not have the body", c.name)
				}
				b.answer(r, x.answer(r.Mask))
			}
			b.expect(1)
			if w := b.whole[0]; w.Cells.Mask != c.got || w.Peer != "a" {
				t.Errorf("%s: columns %v of %s", c.name, w.Cells.Mask.Indices(), w.Peer)
			}
			b.empty()
		}
	}
}

// TestRoles: 15 of 100 transactions are provided; all are if the custody has half of the columns, or none.
func TestRoles(t *testing.T) {
	for _, c := range []struct {
		custody types.CustodyBitmap
		want    int
	}{{custody, 15}, {data, 100}, {types.CustodyBitmap{}, 100}, {first63(), 15}} {
		n := 0.0
		b := benchOf(t, blobs.Config{Custody: c.custody, Random: func() float64 { n++; return (n - 1) / 100 }}, "a")
		asked := 0
		var a blobs.Actions[string]
		for i := range 100 {
			a = b.Announced(start, "a", slices.Values([]common.Hash{{1, byte(i)}}), all)
			for _, r := range a.Requests {
				asked += len(r.Hashes)
				if r.Mask != data {
					t.Errorf("asked for %v", r.Mask.Indices())
				}
				b.do(b.Answered(start, r, nil, nil))
			}
		}
		if asked != c.want {
			t.Errorf("custody of %d columns: %d of 100 are provided, want %d", c.custody.OneCount(), asked, c.want)
		}
	}
}

func first63() types.CustodyBitmap {
	return data.Difference(types.NewCustodyBitmap([]uint64{63}))
}

// TestSamplerCountsProviders: two peers with 64 columns, and no others. A peer that announces twice is
// one.
func TestSamplerCountsProviders(t *testing.T) {
	x := sign(ethtest.Blob(1), 0)
	b := newBench(t, sampler, "a", "b", "c", "d")
	b.announce("a", custody, x)
	b.announce("b", first63(), x)
	b.announce("c", all, x)
	b.announce("c", all, x)
	if len(b.requests) != 0 {
		t.Fatalf("one provider is enough: %v", b.list())
	}
	b.announce("d", data.Union(little), x) // with half of the columns all can be recovered
	r := b.next("a")                       // the first that has the columns
	b.answer(r, x.answer(custody))
	b.body("c", x.tx)
	b.expect(1)
	b.empty()
}

// TestSamplerBecomesProvider: with one provider, two seconds after it has announced.
func TestSamplerBecomesProvider(t *testing.T) {
	x := sign(ethtest.Blob(1), 0)
	b := newBench(t, sampler, "a", "b")
	b.announce("b", custody, x)
	b.tick(10 * time.Second)
	b.announce("a", all, x)
	if want := b.now.Add(2 * time.Second); !b.wake.Equal(want) {
		t.Errorf("wakes in %v", b.wake.Sub(b.now))
	}
	b.tick(2*time.Second - 1)
	if len(b.requests) != 0 {
		t.Fatal("too early")
	}
	b.tick(1)
	r := b.next("a")
	b.body("a", x.tx)
	b.answer(r, x.answer(data))
	b.expect(1)
	b.empty()
}

// TestColumnsOfSeveralPeers: what one does not have, or does not send, others are asked for.
func TestColumnsOfSeveralPeers(t *testing.T) {
	x := sign(varied(), 0)
	low, high := types.NewCustodyBitmap([]uint64{5, 21}), types.NewCustodyBitmap([]uint64{40, 100})
	b := newBench(t, sampler, "a", "b", "c", "d")
	b.announce("a", low, x)
	b.announce("b", all, x)
	b.announce("c", all, x)
	if r := b.next("a"); r.Mask != low {
		t.Errorf("a is asked for %v", r.Mask.Indices())
	} else {
		b.answer(r, x.answer(low))
	}
	r := b.next("b")
	if r.Mask != high {
		t.Errorf("b is asked for %v", r.Mask.Indices())
	}
	some := types.NewCustodyBitmap([]uint64{100})
	b.answer(r, x.answer(some)) // less than it was asked for is no fault
	rest := b.next("c")
	if rest.Mask != high.Difference(some) {
		t.Errorf("c is asked for %v", rest.Mask.Indices())
	}
	b.body("b", x.tx)
	b.answer(rest, x.answer(rest.Mask))
	b.expect(1)
	b.empty()

	b = newBench(t, provider, "a", "b") // no peer has enough, but both together have
	b.announce("a", first63(), x)
	if len(b.requests) != 0 {
		t.Fatalf("asked for what can't be whole: %v", b.list())
	}
	b.announce("b", all.Difference(data), x)
	one, two := b.next("a"), b.next("b")
	b.answer(two, x.answer(two.Mask))
	b.answer(one, x.answer(one.Mask))
	b.body("a", x.tx)
	b.expect(1)
	b.empty()
}

// TestShortAnswers: what is missing before the last transaction of an answer is not available, what is missing after
// it is asked for again, and an empty answer says that there is nothing. No peer is at fault.
func TestShortAnswers(t *testing.T) {
	txs := []*transaction{sign(ethtest.Blob(1), 0), sign(ethtest.Blob(2), 1), sign(ethtest.Blob(3), 2)}
	b := newBench(t, sampler, "a", "b")
	b.announce("a", all, txs...)
	b.announce("b", all, txs...)
	r := b.next("a")
	if len(r.Hashes) != 3 {
		t.Fatalf("a is asked for %d", len(r.Hashes))
	}
	b.answer(r, txs[1].answer(custody))
	got := map[string][]common.Hash{}
	for _, r := range b.requests {
		got[r.Peer] = r.Hashes
	}
	if !slices.Equal(got["a"], []common.Hash{txs[2].hash()}) || !slices.Equal(got["b"], []common.Hash{txs[0].hash()}) {
		t.Errorf("asked for after that: %v", got)
	}
	for len(b.requests) > 0 {
		b.answer(b.next(b.requests[0].Peer))
	}
	b.expect(0)
}

// TestNoAnswer: after five seconds another peer is asked, and the silent one is left alone for longer each
// time. A late answer changes nothing.
func TestNoAnswer(t *testing.T) {
	x, y := sign(ethtest.Blob(1), 0), sign(ethtest.Blob(2), 1)
	b := newBench(t, provider, "a", "b")
	b.announce("a", all, x)
	b.announce("b", all, x)
	late := b.next("a")
	b.tick(blobs.AnswerTime)
	r := b.next("b")
	b.answer(late, x.answer(data))
	b.announce("a", all, y)
	if len(b.requests) != 0 {
		t.Errorf("a silent peer is asked at once: %v", b.list())
	}
	b.body("b", x.tx)
	b.answer(r, x.answer(data))
	b.expect(1)
	b.tick(blobs.AnswerTime)
	b.do(b.Failed(b.now, b.next("a")))
	b.expect(1)
	b.empty() // there is no other peer that has it
	if s := b.State(); s.TimedOut != 2 || s.Provided != 1 {
		t.Errorf("%+v", s)
	}
}

// TestPeersLeave: what a peer was asked for, others are.
func TestPeersLeave(t *testing.T) {
	x := sign(ethtest.Blob(1), 0)
	b := newBench(t, provider, "a", "b")
	b.announce("a", all, x)
	b.announce("b", all, x)
	b.body("a", x.tx)
	b.next("a")
	b.do(b.Left(b.now, "a"))
	b.answer(b.next("b"), x.answer(data))
	b.expect(1)
	b.do(b.Left(b.now, "b"))
	b.empty()
	for _, a := range []blobs.Actions[string]{
		b.Announced(b.now, "a", hashesOf([]*transaction{x}), all), b.Body(b.now, "a", x.tx, common.Address{}),
		b.WithBlobs(b.now, "a", x.full, common.Address{}), b.Left(b.now, "a"),
	} {
		if len(a.Requests)+len(a.Jobs)+len(a.Faults) != 0 {
			t.Errorf("a peer that has left: %+v", a)
		}
	}
	b.empty()
}

// TestWithBlobs: what peers of eth/71 and older send is whole at once.
func TestWithBlobs(t *testing.T) {
	x := sign(varied(), 0)
	b := newBench(t, sampler, "old", "a")
	b.announce("a", all, x)
	b.do(b.WithBlobs(b.now, "old", x.full, common.Address{1}))
	b.expect(1)
	if w := b.whole[0]; w.Cells.Mask != all || len(w.Tx.BlobTxSidecar().Blobs) != 0 || w.Peer != "old" {
		t.Errorf("%v", w.Cells.Mask.Indices())
	}
	b.empty()
	s := x.full.BlobTxSidecar().Copy()
	s.Blobs[1][31] ^= 1
	b.do(b.WithBlobs(b.now, "old", x.full.WithBlobTxSidecar(s), common.Address{1}))
	b.expect(1, "old")
	if err := b.faults[0].Err; !errors.Is(err, blobs.ErrCells) {
		t.Errorf("the fault is %v", err)
	}
	b.empty()
}

// TestHasIsNotAskedFor: nor is what a block has.
func TestHasIsNotAskedFor(t *testing.T) {
	x, y := sign(ethtest.Blob(1), 0), sign(ethtest.Blob(2), 1)
	b := benchOf(t, blobs.Config{Has: func(h common.Hash) bool { return h == x.hash() }}, "a")
	b.announce("a", all, x)
	b.body("a", x.tx)
	b.empty()
	b.announce("a", all, y)
	b.body("a", y.tx)
	b.do(b.Forget(b.now, []common.Hash{y.hash(), x.hash()}))
	b.answer(b.next("a"), y.answer(data))
	b.expect(0)
	b.empty()
}

// TestOfAnotherFetcher: what was asked for before a Fetcher was replaced changes nothing in the next one.
func TestOfAnotherFetcher(t *testing.T) {
	x := sign(ethtest.Blob(1), 0)
	before, b := newBench(t, provider, "a"), newBench(t, provider, "a")
	before.announce("a", all, x)
	r := before.next("a")
	before.body("a", x.tx)
	jobs := before.Answered(before.now, r, []blobs.Cells{x.answer(data)}, nil)
	if len(jobs.Jobs) != 1 {
		t.Fatalf("%d jobs", len(jobs.Jobs))
	}
	before.announce("a", all, sign(ethtest.Blob(2), 1))
	r = before.next("a")
	jobs.Jobs[0].Run()
	b.do(b.Checked(b.now, jobs.Jobs[0]))
	b.answer(r, x.answer(data))
	b.do(b.Failed(b.now, r))
	b.do(b.Bodied(b.now, r, nil, errors.New("malformed")))
	b.expect(0)
	b.empty()
	if got := b.Peers(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("peers: %v", got)
	}
}

// TestAnnouncersAreHandedOver: all peers that have announced a transaction, whether they have cells or not.
func TestAnnouncersAreHandedOver(t *testing.T) {
	x := sign(ethtest.Blob(1), 0)
	b := newBench(t, provider, "a", "b", "old")
	b.announce("a", all, x)
	b.announce("b", little, x)
	b.Known(x.hash(), []string{"old", "old"})
	b.Known(common.Hash{1}, []string{"old"})
	b.body("a", x.tx)
	b.answer(b.next("a"), x.answer(data))
	b.expect(1)
	if got := b.whole[0].Others; !slices.Equal(got, []string{"old", "b"}) {
		t.Errorf("announced by %v as well", got)
	}
	b.empty()
}

// TestSamplerNeedsAllColumns: two peers that lack a column of the custody are not asked for the rest. Once
// a third has it, they are.
func TestSamplerNeedsAllColumns(t *testing.T) {
	x := sign(ethtest.Blob(1), 0)
	need := types.NewCustodyBitmap([]uint64{5, 100}) // 100 is beyond the data
	b := benchOf(t, blobs.Config{Custody: need, Random: func() float64 { return sampler }}, "a", "b", "c")
	b.announce("a", data, x)
	b.announce("b", data, x)
	if len(b.requests) != 0 {
		t.Fatalf("asked without column 100: %v", b.list())
	}
	b.announce("c", all, x)
	var asked types.CustodyBitmap
	for _, r := range b.requests {
		asked = asked.Union(r.Mask)
	}
	if asked != need {
		t.Errorf("asked for columns %v, want %v: %v", asked.Indices(), need.Indices(), b.list())
	}
}

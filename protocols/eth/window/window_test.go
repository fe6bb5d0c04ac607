package window_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// headers returns the test chain's headers from one number to another.
func headers(t testing.TB, from, to uint64) (list []verify.Header) {
	t.Helper()
	for _, b := range testchain.Blocks(t)[from : to+1] {
		list = append(list, decode(t, b.Header))
	}
	return list
}

func decode(t testing.TB, b []byte) verify.Header {
	t.Helper()
	h, err := verify.DecodeHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// fork returns headers that leave the test chain after a block. Their parts are those of the test
// chain's blocks with the same numbers.
func fork(t testing.TB, after, to uint64) (list []verify.Header) {
	t.Helper()
	parent := headers(t, after, after)[0].Hash
	for n := after + 1; n <= to; n++ {
		f := types.CopyHeader(headers(t, n, n)[0].Fields)
		f.ParentHash, f.Extra = parent, []byte("fork")
		b, err := rlp.EncodeToBytes(f)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, decode(t, b))
		parent = list[len(list)-1].Hash
	}
	return list
}

// part returns a part of a block, as a remote gives it.
func part(t testing.TB, p chain.Part, h verify.Header) verify.Part {
	t.Helper()
	b := testchain.Blocks(t)[h.Number]
	check, item := verify.Bodies, b.Body
	switch p {
	case chain.Receipts:
		check, item = verify.Receipts69, b.Receipts
	case chain.AccessList:
		check, item = verify.AccessLists, b.AccessList
	}
	a, err := check([]verify.Header{h}, append(serve.AppendListHead(nil, len(item)), item...))
	if err != nil {
		t.Fatal(err)
	}
	return a.Parts[0]
}

// fill puts all missing parts into a window.
func fill(t testing.TB, w *window.Window) (included []window.Inclusion) {
	t.Helper()
	for _, p := range []chain.Part{chain.Body, chain.Receipts, chain.AccessList} {
		for _, h := range w.Missing(p, 1000, nil) {
			if in, ok := w.Put(part(t, p, h)); ok {
				included = append(included, in)
			}
		}
	}
	return included
}

func numbers(list []verify.Header) (n []uint64) {
	for _, h := range list {
		n = append(n, h.Number)
	}
	return n
}

func span(from, to uint64) (n []uint64) {
	for ; from <= to; from++ {
		n = append(n, from)
	}
	return n
}

// TestWindow follows the test chain block by block: at each the head, its parent and the finalized
// block's header can be read, and what is announced is there.
func TestWindow(t *testing.T) {
	w := window.New(window.Config{})
	all := headers(t, 0, 600)
	for n := uint64(100); n <= 600; n += 4 {
		c := w.SetHead(all[n-4 : n+1])
		if want := 4; n > 100 && (len(c.Added) != want || len(c.Removed) != 0) {
			t.Fatalf("head %d: %d added, %d removed", n, len(c.Added), len(c.Removed))
		}
		fill(t, w)
		head, first, ok := w.Run()
		if want := max(96, n-min(n, 63)); !ok || head.Number != n || head.Hash != all[n].Hash || first != want {
			t.Fatalf("run %d to %+v, want from %d", first, head, want)
		}
		for _, p := range []chain.Part{chain.Header, chain.Body, chain.Receipts} {
			for _, number := range []uint64{n, n - 1, first} {
				if b, err := w.Read(p, number); err != nil || !bytes.Equal(b, map[chain.Part][]byte{
					chain.Header: all[number].Encoded, chain.Body: testchain.Blocks(t)[number].Body, chain.Receipts: testchain.Blocks(t)[number].Receipts,
				}[p]) {
					t.Fatalf("%v of block %d: %v", p, number, err)
				}
			}
			if _, err := w.Read(p, n+1); !errors.Is(err, chain.ErrAbsent) {
				t.Errorf("%v after the head: %v", p, err)
			}
		}
	}
	for n, there := range map[uint64]bool{344: false, 345: true, 536: true, 537: true} {
		_, err := w.Read(chain.Header, n)
		number, ok := w.Number(all[n].Hash)
		if (err == nil) != there || ok != there || there && number != n {
			t.Errorf("header %d: %v, number %d, %v", n, err, number, ok)
		}
		if _, err = w.Read(chain.Body, n); (err == nil) != (n >= 537) {
			t.Errorf("body %d: %v", n, err)
		}
	}
}

// TestMissing: parts are asked for from the head down, once, and again after a failure.
func TestMissing(t *testing.T) {
	w := window.New(window.Config{AccessLists: true})
	w.SetHead(headers(t, 20, 100))
	if got := numbers(w.Missing(chain.Body, 3, nil)); !slices.Equal(got, []uint64{100, 99, 98}) {
		t.Errorf("missing: %v", got)
	}
	got := numbers(w.Missing(chain.Body, 1000, func(h *verify.Header) bool { return h.Number <= 90 }))
	if len(got) != 7 || got[0] != 97 || got[6] != 91 {
		t.Errorf("with files up to 90: %v", got)
	}
	h := headers(t, 100, 100)[0]
	w.Failed(chain.Body, h.Hash, common.Hash{1})
	if got = numbers(w.Missing(chain.Body, 1, nil)); !slices.Equal(got, []uint64{100}) {
		t.Errorf("after a failure: %v", got)
	}
	w.Forget()
	got = numbers(w.Missing(chain.Body, 1000, nil))
	if len(got) != 64 || got[63] != 37 {
		t.Errorf("after a crash: %v", got)
	}
	w.SetHead(headers(t, 28, 60))
	if got = numbers(w.Missing(chain.AccessList, 1000, nil)); !slices.Equal(got, reversed(span(36, 60))) {
		t.Errorf("access lists since Amsterdam: %v", got)
	}
	for _, h := range headers(t, 36, 40) {
		w.Put(part(t, chain.AccessList, h))
	}
	if b, err := w.Read(chain.AccessList, 40); err != nil || !bytes.Equal(b, testchain.Blocks(t)[40].AccessList) {
		t.Errorf("access list: %v", err)
	}
	if len(window.New(window.Config{}).Missing(chain.AccessList, 1000, nil)) != 0 {
		t.Error("access lists are missing where they are not wanted")
	}
}

func reversed(n []uint64) []uint64 { slices.Reverse(n); return n }

// TestHeadersBelow: after a jump the headers before it are asked for, up to what the window holds.
func TestHeadersBelow(t *testing.T) {
	w := window.New(window.Config{})
	if _, ok := w.NeedHeaders(); ok {
		t.Error("headers are needed without a head")
	}
	w.SetHead(headers(t, 590, 600))
	q, ok := w.NeedHeaders()
	if want := (serve.HeadersQuery{Origin: serve.Origin{Hash: headers(t, 589, 589)[0].Hash}, Amount: 245, Reverse: true}); !ok || q != want {
		t.Fatalf("query %+v, want %+v", q, want)
	}
	list := headers(t, 300, 589)
	slices.Reverse(list)
	if n := w.PutBelow(list[10:]); n != 0 {
		t.Errorf("%d headers with a gap were taken", n)
	}
	if n := w.PutBelow(list); n != 245 {
		t.Errorf("%d headers were taken, want 245", n)
	}
	if _, ok := w.NeedHeaders(); ok {
		t.Error("headers are needed by a full window")
	}
	if n, ok := w.Number(headers(t, 345, 345)[0].Hash); !ok || n != 345 {
		t.Errorf("number %d, %v", n, ok)
	}
	early := window.New(window.Config{})
	early.SetHead(headers(t, 5, 9))
	if q, _ := early.NeedHeaders(); q.Amount != 5 {
		t.Errorf("%d headers before block 5", q.Amount)
	}
}

// TestReorg: blocks of the branch that is left are removed, their transactions are excluded, and
// their headers stay, to be served.
func TestReorg(t *testing.T) {
	w := window.New(window.Config{})
	w.SetHead(headers(t, 0, 12))
	included := fill(t, w)
	at := slices.IndexFunc(included, func(in window.Inclusion) bool { return in.Block.Number == 12 })
	if at < 0 || len(included[at].Transactions) != 3 {
		t.Fatalf("included: %+v", included)
	}
	txs := included[at].Transactions
	var body types.Body
	if err := rlp.DecodeBytes(testchain.Blocks(t)[12].Body, &body); err != nil || body.Transactions[1].Hash() != txs[1] {
		t.Fatalf("transaction %v: %v", txs[1], err)
	}
	other := fork(t, 10, 14)
	c := w.SetHead(append(headers(t, 9, 10), other...))
	if !slices.Equal(numbers(c.Removed), []uint64{11, 12}) || !slices.Equal(numbers(c.Added), span(11, 14)) {
		t.Errorf("removed %v, added %v", numbers(c.Removed), numbers(c.Added))
	}
	if n := len(c.Excluded); n != 2 || !slices.Equal(c.Excluded[1].Transactions, txs) {
		t.Errorf("excluded: %+v", c.Excluded)
	}
	left := headers(t, 12, 12)[0]
	if b, ok := w.Side(left.Hash); !ok || !bytes.Equal(b, left.Encoded) {
		t.Error("the header of a block that was left is not there")
	}
	if _, ok := w.Number(left.Hash); ok {
		t.Error("a block that was left is canonical")
	}
	if b, err := w.Read(chain.Header, 12); err != nil || !bytes.Equal(b, other[1].Encoded) {
		t.Errorf("header 12: %v", err)
	}
	if _, err := w.Read(chain.Body, 12); !errors.Is(err, chain.ErrAbsent) {
		t.Errorf("body of the block that was left: %v", err)
	}
	if _, ok := w.Put(part(t, chain.Body, left)); ok {
		t.Error("the body of a block that was left is included")
	}
	if got := numbers(w.Missing(chain.Body, 10, nil)); !slices.Equal(got, []uint64{14, 13, 12, 11}) {
		t.Errorf("missing: %v", got)
	}
	// And back.
	c = w.SetHead(headers(t, 11, 15))
	if !slices.Equal(numbers(c.Removed), span(11, 14)) || !slices.Equal(numbers(c.Added), span(11, 15)) {
		t.Errorf("back: removed %v, added %v", numbers(c.Removed), numbers(c.Added))
	}
	if _, ok := w.Side(left.Hash); ok {
		t.Error("a canonical block is a side block")
	}
	// To a lower block of the same branch.
	if c = w.SetHead(headers(t, 11, 13)); !slices.Equal(numbers(c.Removed), []uint64{14, 15}) || len(c.Added) != 0 {
		t.Errorf("lower: removed %v, added %v", numbers(c.Removed), numbers(c.Added))
	}
}

// TestSides: the headers of branches that were left are bounded.
func TestSides(t *testing.T) {
	w := window.New(window.Config{})
	w.SetHead(headers(t, 0, 150))
	first := headers(t, 11, 11)[0]
	w.SetHead(headers(t, 10, 10))
	kept := 0
	for _, h := range headers(t, 11, 150) {
		if _, ok := w.Side(h.Hash); ok {
			kept++
		}
	}
	if _, ok := w.Side(first.Hash); !ok || kept != 64 {
		t.Errorf("%d headers are kept, the lowest: %v", kept, ok)
	}
}

// TestBytes: parts of the oldest blocks make room, and are not asked for again.
func TestBytes(t *testing.T) {
	const bound = 20 << 10
	w := window.New(window.Config{Bytes: bound})
	w.SetHead(headers(t, 0, 13))
	fill(t, w)
	w.SetHead(headers(t, 13, 60))
	if got := w.Missing(chain.Receipts, 1000, nil); len(got) != 47 {
		t.Errorf("%d missing", len(got))
	}
	for _, h := range w.Missing(chain.Body, 1000, nil) {
		w.Put(part(t, chain.Body, h))
		if w.Bytes() > bound {
			t.Fatalf("%d bytes", w.Bytes())
		}
	}
	w.Put(part(t, chain.Receipts, headers(t, 14, 14)[0])) // 10 MB
	if w.Bytes() > bound {
		t.Errorf("%d bytes", w.Bytes())
	}
	if _, err := w.Read(chain.Receipts, 14); !errors.Is(err, chain.ErrAbsent) {
		t.Errorf("receipts of 10 MB in a window of 20 kB: %v", err)
	}
	if got := w.Missing(chain.Receipts, 1000, nil); len(got) != 0 {
		t.Errorf("missing for want of room: %v", numbers(got))
	}
	w.SetHead(headers(t, 400, 401)) // anew
	if w.Bytes() != 0 {
		t.Errorf("%d bytes of no block", w.Bytes())
	}
}

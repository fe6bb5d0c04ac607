package window_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

// below is files with the test chain's blocks up to a number.
type below struct {
	t  testing.TB
	to uint64
}

func (b below) Number(hash common.Hash) (uint64, bool) {
	i := slices.IndexFunc(headers(b.t, 0, b.to), func(h verify.Header) bool { return h.Hash == hash })
	return uint64(max(i, 0)), i >= 0
}

func (b below) Read(p chain.Part, n uint64) ([]byte, error) {
	if n > b.to {
		return nil, chain.ErrAbsent
	}
	block := testchain.Blocks(b.t)[n]
	return map[chain.Part][]byte{chain.Header: block.Header, chain.Body: block.Body, chain.Receipts: block.Receipts}[p], nil
}

func (b below) Side(common.Hash) ([]byte, bool) { return nil, false }

func (b below) Run(last uint64, _ ...chain.Part) (uint64, bool) { return 1, last >= 1 && last <= b.to }

// TestBelow: the window and the files are one source, also where they overlap.
func TestBelow(t *testing.T) {
	all := headers(t, 0, 60)
	for _, c := range []struct {
		name   string
		files  uint64 // have blocks up to
		window []uint64
		parts  []uint64
		first  uint64
		ok     bool
	}{
		{"they meet", 40, span(41, 50), span(41, 50), 0, true},
		{"they overlap", 45, span(41, 50), span(46, 50), 0, true},
		{"a gap of parts", 40, span(41, 50), span(45, 50), 45, true},
		{"a gap of headers", 39, span(41, 50), span(41, 50), 41, true},
		{"the head is in the files", 50, span(41, 50), nil, 0, true},
		{"nothing but headers", 30, span(41, 50), nil, 0, false},
		{"the genesis block alone", 0, span(1, 5), span(1, 5), 0, true},
	} {
		w := window.New(window.Config{Below: below{t, c.files}})
		if _, _, ok := w.Run(); ok {
			t.Errorf("%s: a run without a head", c.name)
		}
		if b, err := w.Read(chain.Header, 0); err != nil || len(b) == 0 {
			t.Errorf("%s: the files alone: %v", c.name, err)
		}
		w.SetHead(all[c.window[0] : c.window[len(c.window)-1]+1])
		for _, n := range c.parts {
			w.Put(part(t, chain.Body, all[n]))
			w.Put(part(t, chain.Receipts, all[n]))
		}
		head, first, ok := w.Run()
		if first != c.first || ok != c.ok || head.Number != c.window[len(c.window)-1] {
			t.Errorf("%s: from %d to %d, %v, want from %d, %v", c.name, first, head.Number, ok, c.first, c.ok)
		}
		for n := first; ok && n <= head.Number; n++ {
			for _, p := range []chain.Part{chain.Header, chain.Body, chain.Receipts} {
				if b, err := w.Read(p, n); err != nil || len(b) == 0 {
					t.Errorf("%s: %v of block %d: %v", c.name, p, n, err)
				}
			}
			if got, ok := w.Number(all[n].Hash); !ok || got != n {
				t.Errorf("%s: number of block %d: %d, %v", c.name, n, got, ok)
			}
		}
	}
}

// TestBelowOnAnotherBranch: the window's blocks are canonical, not those of the files.
func TestBelowOnAnotherBranch(t *testing.T) {
	w := window.New(window.Config{Below: below{t, 50}})
	w.SetHead(fork(t, 40, 45))
	old := headers(t, 43, 43)[0]
	if n, ok := w.Number(old.Hash); ok {
		t.Errorf("block %d of the files is canonical", n)
	}
	if _, err := w.Read(chain.Body, 43); !errors.Is(err, chain.ErrAbsent) {
		t.Errorf("a body of the files for another block: %v", err)
	}
	if b, err := w.Read(chain.Header, 43); err != nil || bytes.Equal(b, old.Encoded) {
		t.Errorf("a header of the files for another block: %v", err)
	}
	if _, err := w.Read(chain.Header, 48); !errors.Is(err, chain.ErrAbsent) {
		t.Errorf("a header after the head: %v", err)
	}
	if b, err := w.Read(chain.Body, 40); err != nil || len(b) == 0 {
		t.Errorf("where the branches part: %v", err)
	}
}

// TestServed asks the window what Nethermind and Besu ask at each head: the head's parent and what
// follows, the finalized block, and the head by its hash.
func TestServed(t *testing.T) {
	w := window.New(window.Config{})
	all := headers(t, 0, 600)
	w.SetHead(all[345:])
	for _, c := range []struct {
		q    serve.HeadersQuery
		want []uint64
	}{
		{serve.HeadersQuery{Origin: serve.Origin{Hash: all[599].Hash}, Amount: 2}, []uint64{599, 600}},
		{serve.HeadersQuery{Origin: serve.Origin{Hash: all[536].Hash}, Amount: 1}, []uint64{536}},
		{serve.HeadersQuery{Origin: serve.Origin{Hash: all[600].Hash}, Amount: 1}, []uint64{600}},
		{serve.HeadersQuery{Origin: serve.Origin{Number: 345}, Amount: 3, Skip: 99}, []uint64{345, 445, 545}},
	} {
		got, err := verify.Headers(c.q, serve.Headers(w, c.q))
		if err != nil || !slices.Equal(numbers(got), c.want) {
			t.Errorf("%+v: %v, %v", c.q, numbers(got), err)
		}
	}
}

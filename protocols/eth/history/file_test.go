package history_test

import (
	"errors"
	"math/big"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// receiptsFile has the test chain's blocks 0 to 600, with receipts.
var receiptsFile = filepath.Join("testdata", "unknown-00000-9d78f735-noproofs.ere")

func open(t *testing.T, path string) *history.File {
	t.Helper()
	f, err := history.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t *testing.T, f *history.File, p chain.Part, n uint64) []byte {
	t.Helper()
	b, err := f.Read(p, n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func header(t *testing.T, f *history.File, n uint64) (*types.Header, common.Hash) {
	t.Helper()
	b := read(t, f, chain.Header, n)
	h := new(types.Header)
	if err := rlp.DecodeBytes(b, h); err != nil {
		t.Fatalf("header %d: %v", n, err)
	}
	return h, crypto.Keccak256Hash(b)
}

// TestFilesAreWhole reads every part of every block of each kind of file, and compares the roots
// that it has with those of its header.
func TestFilesAreWhole(t *testing.T) {
	samples := ethtest.Samples(t)
	for _, c := range []struct {
		path         string
		first, count uint64
		has          []chain.Part
	}{
		{receiptsFile, 0, 601, []chain.Part{chain.Receipts, chain.Difficulty}},
		{ethtest.Chain(t, "chain.rlp"), 1, 600, []chain.Part{chain.AccessList}},
		{samples[0], 0, 8192, []chain.Part{chain.Receipts, chain.Difficulty}},
		{samples[1], 21 * 8192, 8192, []chain.Part{chain.Receipts, chain.Difficulty}},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			f := open(t, c.path)
			if first, count := f.Span(); first != c.first || count != c.count {
				t.Fatalf("%d blocks from %d, want %d from %d", count, first, c.count, c.first)
			}
			has := map[chain.Part]bool{chain.Header: true, chain.Body: true}
			for _, p := range c.has {
				has[p] = true
			}
			for p := range chain.Parts {
				if f.Has(p) != has[p] {
					t.Errorf("has %v: %v, want %v", p, f.Has(p), has[p])
				}
			}
			checkBlocks(t, f)
		})
	}
}

func checkBlocks(t *testing.T, f *history.File) {
	first, count := f.Span()
	var last common.Hash
	lists := 0
	var total *big.Int
	for n := first; n < first+count; n++ {
		h, hash := header(t, f, n)
		if h.Number.Uint64() != n || n > first && h.ParentHash != last {
			t.Fatalf("block %d: number %v, parent %v, want %v", n, h.Number, h.ParentHash, last)
		}
		last = hash
		roots, err := chain.RootsOf(read(t, f, chain.Body, n))
		if err == nil {
			err = roots.Check(h)
		}
		if err != nil {
			t.Fatalf("body %d: %v", n, err)
		}
		if f.Has(chain.Receipts) {
			root, err := chain.ReceiptsRoot(read(t, f, chain.Receipts, n))
			if err != nil || root != h.ReceiptHash {
				t.Fatalf("receipts %d: root %v, want %v (%v)", n, root, h.ReceiptHash, err)
			}
		}
		if f.Has(chain.Difficulty) {
			td, err := f.TotalDifficulty(n)
			if err != nil || total != nil && new(big.Int).Sub(td, total).Cmp(h.Difficulty) != 0 {
				t.Fatalf("total difficulty %d: %v after %v, the block's is %v (%v)", n, td, total, h.Difficulty, err)
			}
			total = td
		}
		if f.Has(chain.AccessList) {
			list, err := f.Read(chain.AccessList, n)
			if errors.Is(err, chain.ErrAbsent) {
				continue
			}
			if err != nil || crypto.Keccak256Hash(list) != *h.BlockAccessListHash {
				t.Fatalf("access list %d is not its header's (%v)", n, err)
			}
			lists++
		}
	}
	if f.Has(chain.AccessList) && lists != 565 {
		t.Errorf("%d block access lists, want 565", lists)
	}
}

func TestFileWithoutReceipts(t *testing.T) {
	f := open(t, ethtest.NoReceipts(t))
	if f.Has(chain.Receipts) {
		t.Error("a file without receipts has receipts")
	}
	first, _ := f.Span()
	if _, err := f.Read(chain.Receipts, first); !errors.Is(err, chain.ErrAbsent) {
		t.Errorf("got %v", err)
	}
}

func TestBlocksOutsideOfTheFile(t *testing.T) {
	f := open(t, ethtest.Samples(t)[1])
	for _, n := range []uint64{0, 21*8192 - 1, 22 * 8192, 1<<64 - 1} {
		if _, err := f.Read(chain.Header, n); !errors.Is(err, chain.ErrAbsent) {
			t.Errorf("header %d: %v", n, err)
		}
	}
}

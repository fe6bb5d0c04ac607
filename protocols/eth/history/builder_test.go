package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb/eradb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// rewrite writes all blocks of a file anew, and returns the new file's path.
func rewrite(t *testing.T, f *history.File, network string) history.EpochFile {
	t.Helper()
	first, count := f.Span()
	e, err := history.WriteEpoch(t.TempDir(), network, f, history.Blocks{First: first, Count: count, Before: before(t, f)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// before returns the total difficulty before a file's first block.
func before(t *testing.T, f *history.File) *big.Int {
	first, _ := f.Span()
	h, _ := header(t, f, first)
	total, err := f.TotalDifficulty(first)
	if err != nil {
		t.Fatal(err)
	}
	return total.Sub(total, h.Difficulty)
}

// TestWrittenFileIsTheExportedOne: go-ethereum's export of the test chain, read and written again,
// is the same file, under the same name, with the same line in checksums.txt.
func TestWrittenFileIsTheExportedOne(t *testing.T) {
	e := rewrite(t, open(t, receiptsFile), "unknown")
	want, err := os.ReadFile(receiptsFile)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(e.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, and the same", len(got), len(want))
	}
	if filepath.Base(e.Path) != filepath.Base(receiptsFile) {
		t.Errorf("name %s, want %s", filepath.Base(e.Path), filepath.Base(receiptsFile))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(e.Path), ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if sum, err := history.SumFile(receiptsFile); err != nil || e.Sum != sum {
		t.Errorf("sum %v, want %v (%v)", e.Sum, sum, err)
	}
}

// TestEra1AsEre: the blocks of an era1 file, written as .ere, have the same parts for our reader
// and for go-ethereum's, and the same accumulator.
func TestEra1AsEre(t *testing.T) {
	const epoch = uint64(21)
	sample := ethtest.Samples(t)[1]
	from := open(t, sample)
	e := rewrite(t, from, "sepolia")
	to := open(t, e.Path)
	if r := history.VerifyFile(context.Background(), e.Path); !r.Good() || r.Accumulator == nil {
		t.Errorf("the written file: %+v", r)
	} else if want := filepath.Base(sample)[14:22]; fmt.Sprintf("%x", r.Accumulator[:4]) != want {
		t.Errorf("accumulator %v, want %s…", r.Accumulator, want)
	}
	store, err := eradb.New(filepath.Dir(e.Path))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for n := epoch * 8192; n < (epoch+1)*8192; n += 97 {
		for p := range chain.Parts {
			if p == chain.AccessList {
				continue
			}
			if !bytes.Equal(read(t, from, p, n), read(t, to, p, n)) {
				t.Fatalf("%v of block %d differs", p, n)
			}
		}
		body, err := store.GetRawBody(n)
		if err != nil || !bytes.Equal(body, read(t, from, chain.Body, n)) {
			t.Fatalf("go-ethereum reads another body of block %d (%v)", n, err)
		}
		if receipts, err := store.GetRawReceipts(n); err != nil || len(receipts) == 0 {
			t.Fatalf("go-ethereum reads no receipts of block %d: %v", n, err)
		}
	}
}

// made is a source of blocks that a test makes.
type made map[uint64]map[chain.Part][]byte

func (m made) Read(p chain.Part, n uint64) ([]byte, error) {
	if b, ok := m[n][p]; ok {
		return b, nil
	}
	return nil, chain.ErrAbsent
}

// makeChain makes linked blocks without transactions, of these difficulties.
func makeChain(t *testing.T, first uint64, parent common.Hash, difficulties ...int64) made {
	return makeBranch(t, "", first, parent, difficulties...)
}

// makeBranch is makeChain with some text in each header.
func makeBranch(t *testing.T, extra string, first uint64, parent common.Hash, difficulties ...int64) made {
	m := made{}
	for i, d := range difficulties {
		h := &types.Header{
			Number: new(big.Int).SetUint64(first + uint64(i)), ParentHash: parent, Difficulty: big.NewInt(d), Extra: []byte(extra),
			TxHash: types.EmptyTxsHash, UncleHash: types.EmptyUncleHash, ReceiptHash: types.EmptyReceiptsHash,
		}
		parent = h.Hash()
		b, err := rlp.EncodeToBytes(h)
		if err != nil {
			t.Fatal(err)
		}
		m[first+uint64(i)] = map[chain.Part][]byte{chain.Header: b, chain.Body: {0xc2, 0xc0, 0xc0}, chain.Receipts: {0xc0}}
	}
	return m
}

// TestTotalDifficulty: files that begin before the Merge have it, with the last one for the blocks
// after; files that begin after have none, and no accumulator.
func TestTotalDifficulty(t *testing.T) {
	for _, tt := range []struct {
		name         string
		first        uint64
		before       *big.Int
		difficulties []int64
		want         []int64 // nil: none
		records      int     // of the accumulator
		err          string
	}{
		{"from genesis", 0, nil, []int64{5, 6, 7}, []int64{5, 11, 18}, 3, ""},
		{"before the Merge", 8192, big.NewInt(100), []int64{5, 6}, []int64{105, 111}, 2, ""},
		{"across the Merge", 8192, big.NewInt(100), []int64{5, 0, 0}, []int64{105, 105, 105}, 1, ""},
		{"after the Merge", 8192, nil, []int64{0, 0}, nil, 0, ""},
		{"after the Merge, though it is known", 8192, big.NewInt(100), []int64{0, 0}, nil, 0, ""},
		{"merged from genesis", 0, nil, []int64{0, 0}, nil, 0, ""},
		{"not known", 8192, nil, []int64{5, 6}, nil, 0, history.ErrNoDifficulty.Error()},
		{"back before the Merge", 8192, big.NewInt(1), []int64{1, 0, 2}, nil, 0, "header of block 8194: difficulty 2 after blocks without"},
		{"after the Merge and back", 8192, nil, []int64{0, 2}, nil, 0, "header of block 8193: difficulty 2 after blocks without"},
		{"256 bits", 8192, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(3)), []int64{2, 1}, nil, 0, "more than 256 bits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := makeChain(t, tt.first, common.Hash{1}, tt.difficulties...)
			e, err := history.WriteEpoch(t.TempDir(), "unknown", src, history.Blocks{First: tt.first, Count: uint64(len(src)), Before: tt.before}, nil)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			f := open(t, e.Path)
			if f.Has(chain.Difficulty) != (tt.want != nil) {
				t.Errorf("has total difficulties: %v", f.Has(chain.Difficulty))
			}
			for i, want := range tt.want {
				if got, err := f.TotalDifficulty(tt.first + uint64(i)); err != nil || got.Int64() != want {
					t.Errorf("block %d: %v, want %d (%v)", i, got, want, err)
				}
			}
			r := history.VerifyFile(context.Background(), e.Path)
			if !r.Good() || (r.Accumulator != nil) != (tt.records > 0) {
				t.Errorf("%+v, want %d records", r, tt.records)
			}
		})
	}
}

// TestWriterRefuses: what is written is right, whatever the source gives.
func TestWriterRefuses(t *testing.T) {
	errSource := errors.New("the source is broken")
	for _, tt := range []struct {
		name   string
		change func(m made)
		blocks history.Blocks
		want   string
	}{
		{"a header of another chain", func(m made) { m[3] = makeChain(t, 3, common.Hash{9}, 0)[3] }, history.Blocks{Count: 5}, "header of block 3: parent 0x09"},
		{"a header with another number", func(m made) { m[3][chain.Header] = m[2][chain.Header] }, history.Blocks{Count: 5}, "header of block 3: has number 2"},
		{"no header", func(m made) { m[3][chain.Header] = []byte{0xc1} }, history.Blocks{Count: 5}, "header of block 3: "},
		{"a wrong body", func(m made) { m[4][chain.Body] = []byte{0xc3, 0xc1, 0x80, 0xc0} }, history.Blocks{Count: 5}, "body of block 4: transactions: "},
		{"withdrawals too many", func(m made) { m[4][chain.Body] = []byte{0xc3, 0xc0, 0xc0, 0xc0} }, history.Blocks{Count: 5}, "body of block 4: withdrawals root"},
		{"wrong receipts", func(m made) { m[1][chain.Receipts] = []byte{0xc5, 0xc4, 0x80, 0x80, 0x80, 0xc0} }, history.Blocks{Count: 5}, "receipts of block 1: receipts root"},
		{"a part missing", func(m made) { delete(m[2], chain.Receipts) }, history.Blocks{Count: 5}, "receipts of block 2: " + chain.ErrAbsent.Error()},
		{"no blocks", func(made) {}, history.Blocks{}, "0 blocks"},
		{"too many blocks", func(made) {}, history.Blocks{Count: 8193}, "8193 blocks"},
		{"amid an epoch", func(made) {}, history.Blocks{First: 1, Count: 2}, "not the first of an epoch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := makeChain(t, 0, common.Hash{}, 0, 0, 0, 0, 0)
			tt.change(src)
			dir := t.TempDir()
			_, err := history.WriteEpoch(dir, "unknown", src, tt.blocks, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
	dir := t.TempDir()
	_, err := history.WriteEpoch(dir, "unknown", makeChain(t, 0, common.Hash{}, 0), history.Blocks{Count: 1}, func(history.EpochFile) error { return errSource })
	if left, _ := os.ReadDir(dir); !errors.Is(err, errSource) || len(left) > 0 {
		t.Errorf("%v, left %v", err, left)
	}
}

func TestWithoutReceipts(t *testing.T) {
	src := makeChain(t, 0, common.Hash{}, 0, 0)
	e, err := history.WriteEpoch(t.TempDir(), "unknown", src, history.Blocks{Count: 2, NoReceipts: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(e.Path, "-noproofs-noreceipts.ere") || open(t, e.Path).Has(chain.Receipts) {
		t.Errorf("%s has receipts", e.Path)
	}
}

func TestNetworkName(t *testing.T) {
	for id, want := range map[uint64]string{1: "mainnet", 11155111: "sepolia", 560048: "hoodi", 3503995874084926: "unknown"} {
		if got := history.NetworkName(id); got != want {
			t.Errorf("%d: %s, want %s", id, got, want)
		}
	}
}

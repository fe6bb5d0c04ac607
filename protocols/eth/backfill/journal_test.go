package backfill

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

func testHeader(t testing.TB, number int64) []byte {
	b, err := rlp.EncodeToBytes(&types.Header{Number: big.NewInt(number), Difficulty: new(big.Int)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func makeJournal(t testing.TB, path string) *journal {
	j, cut, err := openJournal(path, 1)
	if err != nil || cut != nil {
		t.Fatal(cut, err)
	}
	for n := range uint64(3) {
		h := testHeader(t, history.EpochSize+int64(n))
		if err := j.add(chain.Header, history.EpochSize+n, crypto.Keccak256Hash(h), h); err != nil {
			t.Fatal(err)
		}
		if err := j.add(chain.Body, history.EpochSize+n, crypto.Keccak256Hash(h), bytes.Repeat([]byte{byte(n)}, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// TestJournalRefuses: only what belongs to the journal gets into it.
func TestJournalRefuses(t *testing.T) {
	j := makeJournal(t, filepath.Join(t.TempDir(), "j"))
	defer j.close()
	size := j.size
	h := testHeader(t, history.EpochSize)
	for _, n := range []uint64{0, history.EpochSize - 1, 2 * history.EpochSize, history.EpochSize + 1} {
		if err := j.add(chain.Header, n, crypto.Keccak256Hash(h), h); err == nil {
			t.Errorf("header of block %d as that of block %d", history.EpochSize, n)
		}
	}
	if err := j.add(chain.Header, history.EpochSize, crypto.Keccak256Hash([]byte("other")), h); err == nil {
		t.Error("a header with another hash")
	}
	if j.size != size {
		t.Errorf("size %d, want %d", j.size, size)
	}
	// A body without its header is left alone.
	if err := j.add(chain.Body, history.EpochSize+7, crypto.Keccak256Hash(h), h); err != nil {
		t.Error(err)
	}
	if j.slot(history.EpochSize + 7).records[chain.Body].offset != 0 {
		t.Error("a body without a header is noted")
	}
	// The same header again changes nothing.
	if err := j.add(chain.Header, history.EpochSize, crypto.Keccak256Hash(h), h); err != nil {
		t.Error(err)
	}
	if _, err := j.read(chain.Body, history.EpochSize); err != nil {
		t.Error(err)
	}
	// A header that replaces another replaces its body.
	other, err := rlp.EncodeToBytes(&types.Header{Number: big.NewInt(history.EpochSize), Difficulty: new(big.Int), Extra: []byte("other")})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.add(chain.Header, history.EpochSize, crypto.Keccak256Hash(other), other); err != nil {
		t.Error(err)
	}
	if j.slot(history.EpochSize).records[chain.Body].offset != 0 {
		t.Error("the body of a header that was replaced is noted")
	}
}

// FuzzJournal: whatever a journal's file has, it opens, and what it then has is right and stays.
func FuzzJournal(f *testing.F) {
	j := makeJournal(f, filepath.Join(f.TempDir(), "j"))
	if err := j.close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(j.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, _, err := openJournal(path, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer j.close()
		for i, s := range j.slots {
			n := history.EpochSize + uint64(i)
			if s.records[chain.Header].offset == 0 {
				continue
			}
			h, err := j.header(n)
			if err != nil || h.Number.Uint64() != n || h.Hash() != s.hash {
				t.Fatalf("header of block %d: %v", n, err)
			}
		}
		again, cut, err := openJournal(path, 1)
		if err != nil || cut != nil || again.size != j.size {
			t.Fatalf("cut again: %+v, %v", cut, err)
		}
		again.close()
	})
}

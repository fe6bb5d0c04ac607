package history_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// put writes some blocks of a source to a file of any name.
func put(t *testing.T, path string, src history.Source, blocks history.Blocks) {
	t.Helper()
	var b bytes.Buffer
	if _, err := history.WriteEre(&b, src, blocks); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// change changes a file.
func change(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyTo(t *testing.T, dir, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// replaceOnce returns a change of the first place at which a file has some bytes.
func replaceOnce(was, now []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		if bytes.Count(b, was) == 0 {
			panic("not in the file")
		}
		return bytes.Replace(b, was, now, 1)
	}
}

// TestVerify: what is wrong in a directory is named, and nothing else.
func TestVerify(t *testing.T) {
	// Blocks 0 to 9, of which the first five are before the Merge.
	src := makeChain(t, 0, common.Hash{}, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0)
	hash := func(n uint64) common.Hash { return crypto.Keccak256Hash(src[n][chain.Header]) }
	foreign := makeChain(t, 5, common.Hash{7}, 0, 0, 0)
	branch := makeBranch(t, "branch", 8, hash(7), 0, 0)
	branch[7] = src[7]
	total := func(d int64) *big.Int { return big.NewInt(d) }
	blocks := func(first, count uint64, before *big.Int) history.Blocks {
		return history.Blocks{First: first, Count: count, Before: before}
	}
	for _, tt := range []struct {
		name string
		make func(dir string)
		want []string // one for each problem
	}{
		{"good", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 3, nil))
			put(t, dir+"/b.ere", src, blocks(3, 4, total(18)))
			put(t, dir+"/c.ere", src, blocks(5, 4, nil))
		}, nil},
		{"a gap", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 3, nil))
			put(t, dir+"/c.ere", src, blocks(5, 4, nil))
		}, nil},
		{"a wrong link", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 5, nil))
			put(t, dir+"/b.ere", foreign, blocks(5, 3, nil))
		}, []string{"block 4 is " + hash(4).String() + " in "}},
		{"wrong total difficulty between files", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 3, nil))
			put(t, dir+"/b.ere", src, blocks(3, 4, total(19)))
		}, []string{"total difficulty of block 2 is 18 in "}},
		{"total difficulty of genesis", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 1, nil))
			change(t, dir+"/a.ere", replaceOnce(append([]byte{6, 0, 32, 0, 0, 0, 0, 0}, 5), append([]byte{6, 0, 32, 0, 0, 0, 0, 0}, 4)))
		}, []string{"total difficulty of block 0: 4, want 5"}},
		{"blocks that differ", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(5, 5, nil))
			put(t, dir+"/b.ere", branch, blocks(7, 3, nil))
		}, []string{"overlap 8"}},
		{"blocks that all differ", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(5, 5, nil))
			put(t, dir+"/c.ere", foreign, blocks(5, 3, nil))
		}, []string{"overlap 5"}},
		{"accumulator", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 5, nil))
			change(t, dir+"/a.ere", func(b []byte) []byte {
				at := bytes.Index(b, []byte{7, 0, 32, 0, 0, 0, 0, 0})
				b[at+8] ^= 1
				return b
			})
		}, []string{"a.ere: accumulator 0x"}},
		{"an accumulator after the Merge", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(5, 1, nil))
			change(t, dir+"/a.ere", func(b []byte) []byte {
				at := len(b) - (8 + 8 + 3*8 + 16)
				entry := append([]byte{7, 0, 32, 0, 0, 0, 0, 0}, make([]byte, 32)...)
				out := slices.Concat(b[:at], entry, b[at:])
				for i := range 3 { // the offsets are relative to the index
					word := out[at+40+16+8*i:]
					binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)-40)
				}
				return out
			})
		}, []string{"an accumulator, but no block before the Merge"}},
		{"garbage", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 5, nil))
			if err := os.WriteFile(dir+"/b.ere", []byte("garbage that is longer than an index has to be"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/notes.txt", []byte("no history"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"left out b.ere"}},
		{"a corrupt header where files overlap", func(dir string) {
			put(t, dir+"/a.ere", src, blocks(0, 5, nil))
			put(t, dir+"/b.ere", makeBranch(t, "branch", 0, common.Hash{}, 5, 6, 7, 8, 9), blocks(0, 5, nil))
			change(t, dir+"/a.ere", func(b []byte) []byte {
				second := 8 + 8 + int(binary.LittleEndian.Uint32(b[10:]))
				third := second + 8 + int(binary.LittleEndian.Uint32(b[second+2:]))
				b[third+30] ^= 1
				return b
			})
		}, []string{"header of block 2: ", "compare "}},
		{"names", func(dir string) {
			put(t, dir+"/unknown-00001-"+hash(4).Hex()[2:10]+"-noproofs.ere", src, blocks(0, 5, nil))
			put(t, dir+"/unknown-00000-deadbeef-noproofs.ere", src, blocks(0, 5, nil))
		}, []string{"named for epoch 1, but begins with block 0", "named deadbeef, want " + hash(4).Hex()[2:10]}},
		{"receipts gone", func(dir string) {
			put(t, dir+"/unknown-00000-"+hash(4).Hex()[2:10]+"-noproofs.ere", src, history.Blocks{Count: 5, NoReceipts: true})
		}, []string{"no receipts, though its name does not say so"}},
		{"receipts left out", func(dir string) {
			put(t, dir+"/unknown-00000-"+hash(4).Hex()[2:10]+"-noproofs-noreceipts.ere", src, history.Blocks{Count: 5, NoReceipts: true})
		}, nil},
		{"checksums", func(dir string) {
			put(t, dir+"/unknown-00000-"+hash(4).Hex()[2:10]+"-noproofs.ere", src, blocks(0, 5, nil))
			if _, err := history.WriteChecksums(t.Context(), dir, nil); err != nil {
				t.Fatal(err)
			}
			change(t, dir+"/checksums.txt", func(b []byte) []byte { b[4] ^= 1; return b })
		}, []string{": SHA-256 "}},
		{"too many checksums", func(dir string) {
			put(t, dir+"/unknown-00000-"+hash(4).Hex()[2:10]+"-noproofs.ere", src, blocks(0, 5, nil))
			if err := os.WriteFile(dir+"/checksums.txt", bytes.Repeat([]byte(hash(1).Hex()+"\n"), 2), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"checksums.txt does not fit the files: 2 lines for 1 files"}},
		{"checksums by name", func(dir string) {
			put(t, dir+"/unknown-00000-"+hash(4).Hex()[2:10]+"-noproofs.ere", src, blocks(0, 5, nil))
			if err := os.WriteFile(dir+"/checksums.txt", []byte(hash(1).Hex()[2:]+"  gone-00000-deadbeef.ere\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"gone-00000-deadbeef.ere: named in checksums.txt, but not there", ": not in checksums.txt"}},
		{"checksums that are none", func(dir string) {
			put(t, dir+"/unknown-00000-"+hash(4).Hex()[2:10]+"-noproofs.ere", src, blocks(0, 5, nil))
			if err := os.WriteFile(dir+"/checksums.txt", []byte("\n\nnone\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"checksums.txt: line 3: not a SHA-256"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(dir)
			var order []string
			r, err := history.Verify(t.Context(), dir, func(f history.FileReport) { order = append(order, f.Path) })
			if err != nil {
				t.Fatal(err)
			}
			got := problems(r)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("%d: got %q, want %q", i, got, want)
				}
			}
			if r.Good() != (len(tt.want) == 0) {
				t.Errorf("good: %v", r.Good())
			}
			if !slices.IsSorted(order) || len(order) != len(r.Files)+len(r.LeftOut) {
				t.Errorf("reported: %v", order)
			}
		})
	}
}

// problems returns all that a report says.
func problems(r *history.Report) (all []string) {
	all = append(all, r.Problems...)
	for _, f := range r.Files {
		all = append(all, f.Problems...)
	}
	for _, l := range r.LeftOut {
		all = append(all, "left out "+filepath.Base(l.Path)+": "+l.Why)
	}
	for _, o := range r.Overlaps {
		if o.Differs != nil {
			all = append(all, "overlap "+new(big.Int).SetUint64(*o.Differs).String())
		}
	}
	return all
}

// TestVerifyReadsEveryPart changes bytes all over a file: each change is found, unless what it has is
// still the same (snappy may copy the same bytes from elsewhere).
func TestVerifyReadsEveryPart(t *testing.T) {
	const blocks = 14
	from := open(t, receiptsFile)
	dir := t.TempDir()
	e, err := history.WriteEpoch(dir, "unknown", from, history.Blocks{Count: blocks}, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(e.Path)
	if err != nil {
		t.Fatal(err)
	}
	if r := history.VerifyFile(t.Context(), e.Path); !r.Good() || r.Verified != blocks || r.Accumulator == nil {
		t.Fatalf("the whole file: %+v", r)
	}
	for at := 8; at < len(whole); at += 1 + len(whole)/400 {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		if err := os.WriteFile(e.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r := history.VerifyFile(t.Context(), e.Path)
		if !r.Good() {
			if !strings.Contains(r.Problems[0], e.Path) {
				t.Errorf("the file is not named: %v", r.Problems)
			}
			continue
		}
		f := open(t, e.Path)
		for n := range uint64(blocks) {
			for _, p := range []chain.Part{chain.Header, chain.Body, chain.Receipts, chain.Difficulty} {
				if got, err := f.Read(p, n); !bytes.Equal(got, read(t, from, p, n)) {
					t.Fatalf("byte %d of %d changed: %v of block %d is another (%v)", at, len(whole), p, n, err)
				}
			}
		}
	}
}

// TestVerifyNamesAll: several wrong blocks are all named, up to a bound.
func TestVerifyNamesAll(t *testing.T) {
	src := makeChain(t, 0, common.Hash{}, make([]int64, 30)...)
	path := filepath.Join(t.TempDir(), "a.ere")
	put(t, path, src, history.Blocks{Count: 30})
	r := history.VerifyFile(t.Context(), path)
	if !r.Good() || r.Verified != 30 {
		t.Fatalf("%+v", r)
	}
	// The bodies are all alike: c2 c0 c0, stored as it is. In the first two, an empty list of withdrawals.
	body := []byte{0x04, 0, 0, 0, 0, 0}
	for _, bad := range []int{2, 30} {
		put(t, path, src, history.Blocks{Count: 30})
		change(t, path, func(b []byte) []byte {
			at := 0
			for i := range bad {
				next := bytes.Index(b[at:], append([]byte{4, 0, 21}, body[2:5]...))
				if next < 0 {
					t.Fatalf("body %d not found", i)
				}
				at += next + 8 + 20 // the last byte of the body
				b[at] ^= 1
			}
			return b
		})
		r := history.VerifyFile(t.Context(), path)
		if want := min(bad, history.MaxProblems); len(r.Problems) != want {
			t.Errorf("%d problems, want %d: %q", len(r.Problems), want, r.Problems)
		}
	}
}

// TestVerifyEnds: with its context.
func TestVerifyEnds(t *testing.T) {
	dir := t.TempDir()
	copyTo(t, dir, receiptsFile)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := history.Verify(ctx, dir, func(history.FileReport) { t.Error("reported") }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := history.Verify(t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestVerifySamples: what others wrote is right.
func TestVerifySamples(t *testing.T) {
	dir := t.TempDir()
	copyTo(t, dir, receiptsFile)
	copyTo(t, dir, ethtest.Chain(t, "chain.rlp"))
	copyTo(t, dir, ethtest.Chain(t, "newpayload.json"))
	r, err := history.Verify(t.Context(), dir, nil)
	if err != nil || !r.Good() || len(r.Files) != 2 || len(r.Overlaps) != 1 || r.Files[0].Verified != 601 || r.Files[1].Verified != 600 {
		t.Errorf("%+v (%v)", r, err)
	}
}

func TestList(t *testing.T) {
	src := makeChain(t, 0, common.Hash{}, make([]int64, 40)...)
	dir := t.TempDir()
	put(t, dir+"/b.ere", src, history.Blocks{First: 10, Count: 10, NoReceipts: true})
	put(t, dir+"/a.ere", src, history.Blocks{First: 0, Count: 5})
	put(t, dir+"/c.ere", src, history.Blocks{First: 15, Count: 10})
	put(t, dir+"/d.ere", src, history.Blocks{First: 30, Count: 1})
	if err := os.WriteFile(dir+"/e.era1", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, history.JournalDir), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := history.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []history.Range{{First: 5, Last: 9}, {First: 25, Last: 29}}; !slices.Equal(r.Gaps, want) {
		t.Errorf("gaps %v, want %v", r.Gaps, want)
	}
	if len(r.Overlaps) != 1 || r.Overlaps[0].Range != (history.Range{First: 15, Last: 19}) || r.Overlaps[0].Differs != nil {
		t.Errorf("overlaps %+v", r.Overlaps)
	}
	if len(r.Files) != 4 || r.Files[0].First != 0 || r.Files[1].Receipts || !r.Files[2].Receipts || r.Files[3].LastNumber() != 30 {
		t.Errorf("files %+v", r.Files)
	}
	if len(r.LeftOut) != 1 || filepath.Base(r.LeftOut[0].Path) != "e.era1" || r.Good() || !r.Unfinished {
		t.Errorf("left out %+v, good %v, unfinished %v", r.LeftOut, r.Good(), r.Unfinished)
	}
}

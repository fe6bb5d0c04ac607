package history_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// a mutation changes an encoded file and says what it did.
type mutation func(r *rand.Rand, b []byte) ([]byte, string)

// hostile are values for counts and offsets.
func hostile(r *rand.Rand, was uint64) uint64 {
	return [...]uint64{
		0, 1, was + 1, was - 1, was + 8, was * 2, 8192, 8193, 1 << 31, 1 << 32, 1<<61 + 1, 1 << 63, 1<<64 - 1, 1<<64 - 8, r.Uint64(),
	}[r.IntN(15)]
}

func setWord(r *rand.Rand, b []byte, at int) ([]byte, string) {
	was := binary.LittleEndian.Uint64(b[at:])
	now := hostile(r, was)
	binary.LittleEndian.PutUint64(b[at:], now)
	return b, fmt.Sprintf("word %d at %d of %d: %d", was, at, len(b), now)
}

// mutations of any e2store file. tail is the size of its index.
func mutations(tail int) []mutation {
	return []mutation{
		func(r *rand.Rand, b []byte) ([]byte, string) { // cut
			n := r.IntN(len(b))
			return b[:n], fmt.Sprintf("cut to %d", n)
		},
		func(r *rand.Rand, b []byte) ([]byte, string) { return setWord(r, b, len(b)-8) },
		func(r *rand.Rand, b []byte) ([]byte, string) { return setWord(r, b, len(b)-16) },
		func(r *rand.Rand, b []byte) ([]byte, string) { return setWord(r, b, len(b)-tail+8) }, // first number
		func(r *rand.Rand, b []byte) ([]byte, string) { // an offset
			return setWord(r, b, len(b)-tail+16+8*r.IntN((tail-40)/8))
		},
		func(r *rand.Rand, b []byte) ([]byte, string) { // one offset is that of another part
			at, from := len(b)-tail+16+8*r.IntN((tail-40)/8), len(b)-tail+16+8*r.IntN((tail-40)/8)
			copy(b[at:at+8], b[from:from+8])
			return b, fmt.Sprintf("offset at %d is that at %d", at, from)
		},
		func(r *rand.Rand, b []byte) ([]byte, string) { // type or length of an entry
			off := 0
			for range r.IntN(40) {
				next := off + 8 + int(binary.LittleEndian.Uint32(b[off+2:]))
				if next > len(b)-tail {
					break
				}
				off = next
			}
			at := off + r.IntN(8)
			b[at] = byte(r.Uint32())
			return b, fmt.Sprintf("head of entry %d, byte %d: %d", off, at-off, b[at])
		},
		func(r *rand.Rand, b []byte) ([]byte, string) { // any byte
			at := r.IntN(len(b))
			b[at] ^= 1 << r.IntN(8)
			return b, fmt.Sprintf("bit at %d", at)
		},
	}
}

// TestMutatedFiles changes an era1 and an .ere file in 1,000 ways. Whatever passes Walk must be
// served as in the original; what does not is named.
func TestMutatedFiles(t *testing.T) {
	for _, c := range []struct {
		path string
		tail int
	}{
		{receiptsFile, 8 + 8 + 601*4*8 + 16},
		{shortEra1(t), 8 + 8 + 300*8 + 8},
	} {
		t.Run(filepath.Ext(c.path), func(t *testing.T) {
			original, err := os.ReadFile(c.path)
			if err != nil {
				t.Fatal(err)
			}
			want := newReference(t, c.path)
			path := filepath.Join(t.TempDir(), filepath.Base(c.path))
			r := rand.New(rand.NewPCG(1, 2))
			kinds, refused := mutations(c.tail), 0
			for i := range 500 {
				b, what := kinds[i%len(kinds)](r, bytes.Clone(original))
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := want.check(path); err != nil && !strings.Contains(err.Error(), path) {
					t.Errorf("mutation %d, %s: %v", i, what, err)
				} else if err != nil {
					refused++
				}
			}
			if refused < 300 {
				t.Errorf("%d of 500 mutations refused: they mutate too little", refused)
			}
		})
	}
}

// shortEra1 writes an era1 file with 300 blocks.
func shortEra1(t *testing.T) string {
	b, err := os.ReadFile(ethtest.Samples(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "short.era1")
	if err := os.WriteFile(path, ethtest.FirstOfEra1(b, 300), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reference has the parts of some blocks of an original file.
type reference struct {
	blocks []uint64
	parts  map[uint64]map[chain.Part][]byte
}

func newReference(t *testing.T, path string) *reference {
	f := open(t, path)
	first, count := f.Span()
	ref := &reference{parts: map[uint64]map[chain.Part][]byte{}}
	for i := uint64(0); i < count; i += 1 + count/50 {
		n := first + i
		ref.blocks = append(ref.blocks, n)
		ref.parts[n] = map[chain.Part][]byte{}
		for p := range chain.Parts {
			if f.Has(p) {
				ref.parts[n][p] = read(t, f, p, n)
			}
		}
	}
	return ref
}

// check returns an error with the path if the file was refused, another if it serves anything
// that the original does not have.
func (ref *reference) check(path string) error {
	f, err := history.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Walk(func(common.Hash, *types.Header) error { return nil }); err != nil {
		return err
	}
	for _, n := range ref.blocks {
		for p := range chain.Parts {
			got, err := f.Read(p, n)
			switch {
			case errors.Is(err, chain.ErrAbsent):
			case err != nil:
				return err
			case !bytes.Equal(got, ref.parts[n][p]):
				return fmt.Errorf("%v of block %d: wrong", p, n)
			}
		}
	}
	return nil
}

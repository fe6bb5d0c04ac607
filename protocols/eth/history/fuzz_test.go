package history

import (
	"bytes"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// FuzzFormats opens bytes as each of the formats and reads all that they claim to have.
func FuzzFormats(f *testing.F) {
	seed := func(path string, cut func([]byte, int) []byte) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(cut(b, 4))
	}
	seed(ethtest.Samples(f)[0], ethtest.FirstOfEra1)
	seed("testdata/unknown-00000-9d78f735-noproofs.ere", ethtest.FirstOfEre)
	seed(ethtest.Chain(f, "chain.rlp"), ethtest.FirstOfChain)
	seed(ethtest.NoReceipts(f), func(b []byte, _ int) []byte { return b })
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size := bytes.NewReader(b), int64(len(b))
		if ere, err := openEre(r, size); err == nil {
			readAll(ere)
		}
		if era1, err := openEra1(r, size); err == nil {
			readAll(era1)
		}
		if chain, err := openChain(r, size, "testdata"); err == nil {
			readAll(chain)
		}
	})
}

func readAll(f format) {
	file := &File{path: "fuzz", format: f}
	_ = file.Walk(func(common.Hash, *types.Header) error { return nil })
	_, _, _ = f.accumulator()
	first, count := file.Span()
	for n := first; n-first < min(count, 16); n++ {
		for p := range chain.Parts {
			_, _ = file.Read(p, n)
		}
	}
}

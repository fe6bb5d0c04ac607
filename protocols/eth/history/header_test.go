package history_test

import (
	"bytes"
	"math/big"
	"runtime"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// TestHeaderAlone: the header of a block in a chain.rlp is read without the block's body, whatever the
// sizes of both.
func TestHeaderAlone(t *testing.T) {
	var file []byte
	var want [][]byte
	for i, extra := range []int{0, 30, 500, 900, 1 << 10, 5000, 70_000} {
		h := &types.Header{Number: big.NewInt(int64(i)), Difficulty: new(big.Int), Extra: make([]byte, extra)}
		encoded, err := rlp.EncodeToBytes(h)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, encoded)
		for _, data := range [][]byte{nil, make([]byte, 8<<20)} {
			tx := types.NewTx(&types.LegacyTx{Data: data})
			block, err := rlp.EncodeToBytes([]any{rlp.RawValue(encoded), []*types.Transaction{tx}, []*types.Header{}})
			if err != nil {
				t.Fatal(err)
			}
			file = slices.Concat(file, block)
		}
	}
	f := open(t, write(t, t.TempDir(), "chain.rlp", file))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 2 * len(want) {
		got, err := f.Read(chain.Header, uint64(i))
		if err != nil || !bytes.Equal(got, want[i/2]) {
			t.Errorf("header %d: %d bytes, want %d (%v)", i, len(got), len(want[i/2]), err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("headers of %d bytes were read by way of %d", len(slices.Concat(want...)), got)
	}
}

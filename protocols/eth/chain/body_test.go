package chain_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// TestBodiesOfOneRoot: a block has one body. Forms that the trie behind the root cannot tell from it
// are refused, because they could be neither decoded nor served.
func TestBodiesOfOneRoot(t *testing.T) {
	tx := types.NewTx(&types.LegacyTx{Nonce: 1, GasPrice: big.NewInt(7), Gas: 21000, Value: new(big.Int), V: big.NewInt(27), R: big.NewInt(1), S: big.NewInt(1)})
	legacy, err := rlp.EncodeToBytes(tx)
	if err != nil {
		t.Fatal(err)
	}
	want := types.DeriveSha(types.Transactions{tx}, trie.NewStackTrie(nil))
	for _, tt := range []struct {
		name string
		txs  []any
		good bool
	}{
		{"as it is", []any{rlp.RawValue(legacy)}, true},
		{"a string around a legacy transaction", []any{legacy}, false},
		{"an empty string after it", []any{rlp.RawValue(legacy), []byte{}}, false},
		{"a type without a transaction", []any{[]byte{2}}, false},
	} {
		body, err := rlp.EncodeToBytes([]any{tt.txs, []any{}})
		if err != nil {
			t.Fatal(err)
		}
		roots, err := chain.RootsOf(body)
		if (err == nil) != tt.good || tt.good && roots.Transactions != want {
			t.Errorf("%s: %v, %v", tt.name, roots.Transactions, err)
		}
	}
}

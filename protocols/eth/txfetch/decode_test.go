package txfetch_test

import (
	"bytes"
	"errors"
	"math/big"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode decodes a list in batches of two.
func decode(list []byte, limit int) (txs []*types.Transaction, err error) {
	for batch, err := range txfetch.Decode(list, limit, 2) {
		if err != nil {
			return nil, err
		}
		txs = append(txs, batch...)
	}
	return txs, nil
}

func someTxs() []*types.Transaction {
	return []*types.Transaction{
		types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(7), Data: make([]byte, 300)}),
		types.NewTx(&types.AccessListTx{ChainID: big.NewInt(1), AccessList: types.AccessList{{StorageKeys: []common.Hash{{1}}}}}),
		types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1)}),
		types.NewTx(&types.SetCodeTx{ChainID: uint256.NewInt(1), AuthList: []types.SetCodeAuthorization{{}}}),
		with(blobTx(2), elide),
	}
}

func TestDecode(t *testing.T) {
	txs := someTxs()
	got, err := decode(encode(t, txs), len(txs))
	if err != nil || len(got) != len(txs) {
		t.Fatalf("%d transactions, %v", len(got), err)
	}
	for i := range got {
		if got[i].Hash() != txs[i].Hash() || got[i].Size() != txs[i].Size() {
			t.Errorf("number %d is another", i)
		}
	}
	if got, err := decode(encode(t, []*types.Transaction{}), 0); err != nil || len(got) != 0 {
		t.Errorf("an empty list: %v", err)
	}
	for name, list := range map[string][]byte{
		"nothing":         {},
		"a string":        encode(t, "tx"),
		"bytes after":     append(encode(t, txs), 0),
		"one too many":    encode(t, append(someTxs(), txs[0])),
		"a cut":           encode(t, txs)[:50],
		"an unknown type": encode(t, []any{append([]byte{5}, encode(t, []any{})...)}),
		"an empty item":   encode(t, []any{[]byte{}}),
		"no fields":       encode(t, []any{[]any{}}),
		"a number":        encode(t, []any{uint64(7)}),
	} {
		if got, err := decode(list, len(txs)); !errors.Is(err, txfetch.ErrMessage) {
			t.Errorf("%s: %d transactions, %v", name, len(got), err)
		}
	}
}

// TestTooLargeIsPassedOver: an invalid transaction is no breach, but it is not decoded either.
func TestTooLargeIsPassedOver(t *testing.T) {
	txs := []*types.Transaction{
		types.NewTx(&types.LegacyTx{Data: make([]byte, 128<<10)}),
		types.NewTx(&types.SetCodeTx{ChainID: uint256.NewInt(1), AuthList: make([]types.SetCodeAuthorization, 1<<16)}),
		blobTx(2), // 270 kB
		types.NewTx(&types.LegacyTx{Data: make([]byte, 127<<10)}),
	}
	got, err := decode(encode(t, txs), 9)
	if err != nil || len(got) != 2 || got[0].Hash() != txs[2].Hash() || got[1].Hash() != txs[3].Hash() {
		t.Errorf("%d transactions, %v", len(got), err)
	}
}

// TestTinyItemsCostNoMemory: 10 MiB of one-byte items cost no memory (reth #26913).
func TestTinyItemsCostNoMemory(t *testing.T) {
	list := encode(t, bytes.Repeat([]byte{0xc0}, 10<<20-8))
	list[0] = 0xf7 + list[0] - 0xb7 // the string becomes a list
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := decode(list, txfetch.MaxPushed)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, txfetch.ErrMessage) || got != nil {
		t.Errorf("%d transactions, %v", len(got), err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
		t.Errorf("%d bytes allocated", grown)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, someTxs()))
	for _, tx := range someTxs() {
		f.Add(encode(f, []*types.Transaction{tx}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		txs, err := decode(b, 100)
		if err != nil {
			return
		}
		for _, tx := range txs {
			for _, version := range []uint{71, 72} {
				if item := txfetch.Inspect(version, tx); item.Err == nil && uint64(item.Whole) < tx.Size() {
					t.Errorf("size %d, want at least %d", item.Whole, tx.Size())
				}
			}
		}
	})
}

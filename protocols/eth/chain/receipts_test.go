package chain_test

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// someReceipts has a receipt of each kind.
func someReceipts() types.Receipts {
	logs := []*types.Log{
		{Address: common.Address{1}, Topics: []common.Hash{{2}, {3}}, Data: []byte("data")},
		{Address: common.Address{4}, Topics: []common.Hash{}, Data: []byte{}},
	}
	receipts := types.Receipts{
		{Type: types.LegacyTxType, PostState: common.Hash{9}.Bytes(), CumulativeGasUsed: 21000, Logs: logs[:1]},
		{Type: types.LegacyTxType, Status: types.ReceiptStatusFailed, CumulativeGasUsed: 42000, Logs: []*types.Log{}},
		{Type: types.DynamicFeeTxType, Status: types.ReceiptStatusSuccessful, CumulativeGasUsed: 1 << 40, Logs: logs},
		{Type: types.BlobTxType, Status: types.ReceiptStatusSuccessful, CumulativeGasUsed: 1<<40 + 1, Logs: []*types.Log{}},
	}
	for _, r := range receipts {
		r.Bloom = types.CreateBloom(r)
	}
	return receipts
}

// TestReceiptForms turns go-ethereum's receipts into the form of eth/69 and back.
func TestReceiptForms(t *testing.T) {
	for _, receipts := range []types.Receipts{someReceipts(), {}} {
		consensus, err := rlp.EncodeToBytes(receipts)
		if err != nil {
			t.Fatal(err)
		}
		slim, err := chain.SlimReceipts(consensus)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]*types.SlimReceipt, len(receipts))
		for i, r := range receipts {
			want[i] = (*types.SlimReceipt)(r)
		}
		if theirs, err := rlp.EncodeToBytes(want); err != nil || !bytes.Equal(slim, theirs) {
			t.Errorf("got %x, want %x (%v)", slim, theirs, err)
		}
		back, err := chain.ConsensusReceipts(slim)
		if err != nil || !bytes.Equal(back, consensus) {
			t.Errorf("back: %x, want %x (%v)", back, consensus, err)
		}
		root, err := chain.ReceiptsRoot(slim)
		if want := types.DeriveSha(receipts, trie.NewStackTrie(nil)); err != nil || root != want {
			t.Errorf("root %v, want %v (%v)", root, want, err)
		}
	}
}

// TestMalformedReceipts: each is an error, and none a panic.
func TestMalformedReceipts(t *testing.T) {
	encode := func(v ...any) []byte {
		b, err := rlp.EncodeToBytes(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	log := func(v ...any) []any { return []any{v} }
	one, none, address := []byte{1}, []any{}, common.Address{}
	for name, slim := range map[string][]byte{
		"nothing":             {},
		"no list":             {0x81, 0x80},
		"bytes after":         {0xc0, 0xc0},
		"cut":                 {0xc5, 0xc0},
		"a string":            encode("receipt"),
		"no field":            encode(none),
		"type 128":            encode([]any{uint64(128), one, uint64(1), none}),
		"a status of 2 bytes": encode([]any{uint64(0), []byte{1, 2}, uint64(1), none}),
		"gas is a list":       encode([]any{uint64(0), one, none, none}),
		"logs are a string":   encode([]any{uint64(0), one, uint64(1), "logs"}),
		"a field too many":    encode([]any{uint64(0), one, uint64(1), none, one}),
		"a log of no list":    encode([]any{uint64(0), one, uint64(1), []any{"log"}}),
		"address of 19 bytes": encode([]any{uint64(0), one, uint64(1), log(make([]byte, 19), none, "")}),
		"topic of 31 bytes":   encode([]any{uint64(0), one, uint64(1), log(address, []any{make([]byte, 31)}, "")}),
		"topics are a string": encode([]any{uint64(0), one, uint64(1), log(address, "topics", "")}),
		"no data":             encode([]any{uint64(0), one, uint64(1), log(address, none)}),
		"data twice":          encode([]any{uint64(0), one, uint64(1), log(address, none, "", "")}),
	} {
		if _, err := chain.ConsensusReceipts(slim); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := chain.ReceiptsRoot(slim); err == nil {
			t.Errorf("%s: a root", name)
		}
	}
	bloom := types.Bloom{}
	for name, consensus := range map[string][]byte{
		"no type":         encode([]byte{}),
		"type 0":          encode([]byte{0, 0xc0}),
		"a type alone":    encode([]byte{2}),
		"a short bloom":   encode([]any{one, uint64(1), bloom[1:], none}),
		"no logs":         encode([]any{one, uint64(1), bloom}),
		"bytes after":     encode(append([]byte{2}, append(encode(one, uint64(1), bloom, none), 0)...)),
		"logs are string": encode([]any{one, uint64(1), bloom, "logs"}),
	} {
		if _, err := chain.SlimReceipts(consensus); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestBodyRoots compares the roots of bodies with go-ethereum's.
func TestBodyRoots(t *testing.T) {
	txs := types.Transactions{
		types.NewTx(&types.LegacyTx{Nonce: 1, Data: []byte("a")}),
		types.NewTx(&types.DynamicFeeTx{Nonce: 2}),
	}
	uncle := &types.Header{Extra: []byte("uncle")}
	body := &types.Body{Transactions: txs, Uncles: []*types.Header{uncle}, Withdrawals: types.Withdrawals{{Index: 1}, {Index: 2}}}
	for _, b := range []*types.Body{body, {Transactions: txs}, {Withdrawals: types.Withdrawals{}}, {}} {
		encoded, err := rlp.EncodeToBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		roots, err := chain.RootsOf(encoded)
		if err != nil {
			t.Fatal(err)
		}
		hasher := trie.NewStackTrie(nil)
		h := &types.Header{TxHash: types.DeriveSha(types.Transactions(b.Transactions), hasher), UncleHash: types.CalcUncleHash(b.Uncles)}
		if b.Withdrawals != nil {
			root := types.DeriveSha(types.Withdrawals(b.Withdrawals), hasher)
			h.WithdrawalsHash = &root
		}
		if err := roots.Check(h); err != nil {
			t.Errorf("%+v: %v", b, err)
		}
		other := common.Hash{1}
		for name, spoil := range map[string]func(*types.Header){
			"transactions": func(h *types.Header) { h.TxHash = other },
			"uncle":        func(h *types.Header) { h.UncleHash = other },
			"withdrawals":  func(h *types.Header) { h.WithdrawalsHash = &other },
		} {
			wrong := *h
			spoil(&wrong)
			if err := roots.Check(&wrong); err == nil || !bytes.Contains([]byte(err.Error()), []byte(name)) {
				t.Errorf("wrong %s: %v", name, err)
			}
		}
	}
	for _, bad := range []string{"", "\xc0", "\xc1\xc0", "\xc4\xc0\xc0\xc0\xc0", "\xc2\xc0\x80", "\xc3\xc0\xc0\x80", "\xc2\xc0\xc0\x00"} {
		if _, err := chain.RootsOf([]byte(bad)); err == nil {
			t.Errorf("%x is a body", bad)
		}
	}
}

// FuzzParts feeds bytes of a remote to all that reads parts of blocks.
func FuzzParts(f *testing.F) {
	consensus, err := rlp.EncodeToBytes(someReceipts())
	if err != nil {
		f.Fatal(err)
	}
	slim, err := chain.SlimReceipts(consensus)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(consensus)
	f.Add(slim)
	f.Add([]byte{0xc3, 0xc0, 0xc0, 0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := chain.SlimReceipts(b); err == nil {
			if _, err := chain.ConsensusReceipts(s); err == nil {
				if _, err := chain.ReceiptsRoot(s); err != nil {
					t.Errorf("receipts with blooms have no root: %v", err)
				}
			}
		}
		_, _ = chain.ConsensusReceipts(b)
		_, _ = chain.ReceiptsRoot(b)
		_, _ = chain.RootsOf(b)
		_, _, _ = chain.SplitBlock(b)
	})
}

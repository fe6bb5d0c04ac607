package verify_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

const last = 1<<64 - 1

func TestHeaders(t *testing.T) {
	h := headers(t, 0, 30)
	list := func(numbers ...int) []byte {
		var items [][]byte
		for _, n := range numbers {
			items = append(items, h[n].Encoded)
		}
		return listOf(items...)
	}
	number := func(n, amount, skip uint64, reverse bool) serve.HeadersQuery {
		return serve.HeadersQuery{Origin: serve.Origin{Number: n}, Amount: amount, Skip: skip, Reverse: reverse}
	}
	hash := func(n int, amount uint64, reverse bool) serve.HeadersQuery {
		return serve.HeadersQuery{Origin: serve.Origin{Hash: h[n].Hash}, Amount: amount, Reverse: reverse}
	}
	fork := changed(t, h[11], func(f *types.Header) { f.ParentHash = common.Hash{1} })
	for _, c := range []struct {
		name  string
		q     serve.HeadersQuery
		list  []byte
		count int
		wrong verify.Field
	}{
		{"all", number(10, 3, 0, false), list(10, 11, 12), 3, ""},
		{"fewer", number(10, 3, 0, false), list(10), 1, ""},
		{"none", number(10, 3, 0, false), list(), 0, ""},
		{"none asked for, none given", number(10, 0, 0, false), list(), 0, ""},
		{"reverse", number(12, 3, 0, true), list(12, 11, 10), 3, ""},
		{"to genesis", number(1, 5, 0, true), list(1, 0), 2, ""},
		{"skip", number(10, 3, 4, false), list(10, 15, 20), 3, ""},
		{"skip and reverse", number(20, 3, 4, true), list(20, 15, 10), 3, ""},
		{"by hash", hash(10, 2, false), list(10, 11), 2, ""},
		{"by hash, reverse", hash(10, 2, true), list(10, 9), 2, ""},

		{"one too many", number(10, 2, 0, false), list(10, 11, 12), 0, verify.FieldCount},
		{"none asked for", number(10, 0, 0, false), list(10), 0, verify.FieldCount},
		{"another origin", number(10, 2, 0, false), list(11, 12), 0, verify.FieldNumber},
		{"another origin by hash", hash(10, 2, false), list(11, 12), 0, verify.FieldHash},
		{"a gap", number(10, 3, 0, false), list(10, 12), 0, verify.FieldNumber},
		{"the other direction", number(10, 3, 0, false), list(10, 9), 0, verify.FieldNumber},
		{"a wrong step", number(10, 3, 4, false), list(10, 14), 0, verify.FieldNumber},
		{"another parent", number(10, 3, 0, false), listOf(h[10].Encoded, fork), 0, verify.FieldParent},
		{"another child, reverse", number(12, 3, 0, true), listOf(h[12].Encoded, fork), 0, verify.FieldHash},
		{"the same again", number(10, 3, 0, false), list(10, 10), 0, verify.FieldNumber},
		{"past genesis", number(0, 3, 0, true), list(0, 1), 0, verify.FieldCount},
		{"no list", number(10, 3, 0, false), []byte{0x83, 1, 2, 3}, 0, verify.FieldEncoding},
		{"cut", number(10, 3, 0, false), list(10, 11)[:700], 0, verify.FieldEncoding},
		{"bytes after", number(10, 3, 0, false), append(list(10), 0), 0, verify.FieldEncoding},
		{"no header", number(10, 3, 0, false), listOf([]byte{0xc0}), 0, verify.FieldEncoding},
		{"empty", number(10, 3, 0, false), nil, 0, verify.FieldEncoding},
	} {
		got, err := verify.Headers(c.q, c.list)
		wants(t, c.name, err, c.wrong)
		if len(got) != c.count {
			t.Errorf("%s: %d headers, want %d", c.name, len(got), c.count)
		}
	}
}

// TestHeadersAreTheirs: hash and number are those of the header, and the bytes are copies.
func TestHeadersAreTheirs(t *testing.T) {
	all := headers(t, 0, 600)
	var items [][]byte
	for _, b := range testchain.Blocks(t) {
		items = append(items, b.Header)
	}
	list := listOf(items...)
	got, err := verify.Headers(serve.HeadersQuery{Amount: 601}, list)
	if err != nil || len(got) != 601 {
		t.Fatalf("%d headers, %v", len(got), err)
	}
	clear(list)
	for n, h := range got {
		if h.Number != uint64(n) || h.Hash != all[n].Hash || h.Hash != h.Fields.Hash() || !bytes.Equal(h.Encoded, items[n]) {
			t.Fatalf("header %d: %+v", n, h)
		}
	}
}

// TestHeaderBounds: what a remote puts into numbers is bounded, and each error names the field.
func TestHeaderBounds(t *testing.T) {
	h := headers(t, 10, 10)[0]
	huge := new(big.Int).Lsh(big.NewInt(1), 1000)
	for field, change := range map[verify.Field]func(*types.Header){
		verify.FieldNumber:     func(f *types.Header) { f.Number = huge },
		verify.FieldDifficulty: func(f *types.Header) { f.Difficulty = huge },
		verify.FieldGasUsed:    func(f *types.Header) { f.GasUsed = f.GasLimit + 1 },
		verify.FieldSize:       func(f *types.Header) { f.Extra = make([]byte, 128<<10) },
	} {
		_, err := verify.Headers(serve.HeadersQuery{Origin: serve.Origin{Number: 10}, Amount: 1}, listOf(changed(t, h, change)))
		wants(t, string(field), err, field)
	}
	_, err := verify.DecodeHeader(changed(t, h, func(f *types.Header) { f.BaseFee = new(big.Int).Lsh(big.NewInt(1), 255) }))
	wants(t, "the highest base fee", err, "")
}

// TestBug1SkipWraps: a skip of 2^64-1 has no second header. Copies of the first are refused
// (erigon #13931, go-ethereum #31522).
func TestBug1SkipWraps(t *testing.T) {
	h := headers(t, 10, 10)[0]
	for _, reverse := range []bool{true, false} {
		q := serve.HeadersQuery{Origin: serve.Origin{Number: 10}, Amount: 1024, Skip: last, Reverse: reverse}
		_, err := verify.Headers(q, listOf(h.Encoded))
		wants(t, "one", err, "")
		_, err = verify.Headers(q, listOf(h.Encoded, h.Encoded))
		wants(t, "a copy", err, verify.FieldCount)
	}
}

// TestBug3NumbersWrap: after block 2^64-1 comes none.
func TestBug3NumbersWrap(t *testing.T) {
	h := headers(t, 0, 0)[0]
	end := changed(t, h, func(f *types.Header) { f.Number = new(big.Int).SetUint64(last) })
	q := serve.HeadersQuery{Origin: serve.Origin{Number: last}, Amount: 2}
	_, err := verify.Headers(q, listOf(end))
	wants(t, "the last", err, "")
	_, err = verify.Headers(q, listOf(end, h.Encoded))
	wants(t, "the first after the last", err, verify.FieldCount)
}

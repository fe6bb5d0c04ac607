package eth_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// FuzzHashes: lists of hashes are decoded as package rlp does.
func FuzzHashes(f *testing.F) {
	for _, hashes := range []eth.Hashes{{}, {{1}}, {{1}, {2}}, make(eth.Hashes, 100)} {
		b, err := rlp.EncodeToBytes(hashes)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, 0))
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{0xc1, 0x80})
	f.Add([]byte{0x80})
	f.Add(append([]byte{0xe1, 0x9f}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got eth.Hashes
		var want []common.Hash
		errGot, errWant := rlp.DecodeBytes(b, &got), rlp.DecodeBytes(b, &want)
		if (errGot == nil) != (errWant == nil) || errGot == nil && !slices.Equal(got, eth.Hashes(want)) {
			t.Errorf("%x: %v, %v; package rlp has %v, %v", b, got, errGot, want, errWant)
		}
	})
}

// FuzzMessages decodes each message of a remote. What can be decoded is encoded to the same bytes.
func FuzzMessages(f *testing.F) {
	types := []func() any{
		func() any { return new(eth.Status) }, func() any { return new(eth.Status68) },
		func() any { return new(eth.GetBlockHeaders) }, func() any { return new(eth.BlockHeaders) },
		func() any { return new(eth.GetBlockBodies) }, func() any { return new(eth.GetReceipts70) }, func() any { return new(eth.Receipts70) },
		func() any { return new(eth.GetCells) }, func() any { return new(eth.Cells) }, func() any { return new(eth.BlockRangeUpdate) },
	}
	for i, seed := range []any{
		&eth.Status{}, &eth.Status68{}, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Origin: serve.Origin{Hash: common.Hash{1}}, Amount: 1}},
		&eth.BlockHeaders{Headers: rlp.EmptyList}, &eth.GetBlockBodies{Hashes: eth.Hashes{{1}}}, &eth.GetReceipts70{First: 7, Hashes: eth.Hashes{{1}}},
		&eth.Receipts70{Receipts: rlp.EmptyList}, &eth.GetCells{Hashes: eth.Hashes{{1}}}, &eth.Cells{Cells: rlp.EmptyList}, &eth.BlockRangeUpdate{},
	} {
		b, err := rlp.EncodeToBytes(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		msg := types[int(kind)%len(types)]()
		if rlp.DecodeBytes(b, msg) != nil {
			return
		}
		if q, ok := msg.(*eth.GetBlockHeaders); ok && q.Query.Origin == (serve.Origin{}) {
			return // the zero hash is number 0, as in go-ethereum
		}
		if again, err := rlp.EncodeToBytes(msg); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%T: %x becomes %x, %v", msg, b, again, err)
		}
	})
}

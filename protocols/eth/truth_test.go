package eth_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// truth is the test chain as go-ethereum's own types read it, without the code under test.
type truth struct {
	*testing.T
	headers []*types.Header
	bodies  [][]byte // as RLP; nil: the genesis block's
}

// readTruth reads chain.rlp. Receipts and block access lists are known by the headers' hashes alone.
func readTruth(t *testing.T, genesis *types.Header) *truth {
	t.Helper()
	file, err := os.ReadFile(ethtest.Chain(t, "chain.rlp"))
	if err != nil {
		t.Fatal(err)
	}
	x := &truth{T: t, headers: []*types.Header{genesis}, bodies: [][]byte{nil}}
	for stream := rlp.NewStream(bytes.NewReader(file), 0); ; {
		var b types.Block
		if stream.Decode(&b) != nil {
			break
		}
		x.headers, x.bodies = append(x.headers, b.Header()), append(x.bodies, mustEncode(b.Body()))
	}
	if len(x.headers) != 601 {
		t.Fatalf("chain.rlp has %d blocks", len(x.headers)-1)
	}
	return x
}

func (x *truth) header(n int, encoded []byte) {
	x.Helper()
	if got, want := crypto.Keccak256Hash(encoded), x.headers[n].Hash(); got != want {
		x.Fatalf("header %d has the hash %v, want %v", n, got, want)
	}
}

func (x *truth) body(n int, encoded []byte) {
	x.Helper()
	if n > 0 && !bytes.Equal(encoded, x.bodies[n]) {
		x.Fatalf("body %d: %d bytes, want %d", n, len(encoded), len(x.bodies[n]))
	}
}

// slimReceipt is a receipt of eth/69 (EIP-7642).
type slimReceipt struct {
	Type   uint64
	Status []byte // or the root of a state, long ago
	Gas    uint64
	Logs   []*types.Log
}

func (x *truth) receipts(version uint, n int, encoded []byte) {
	x.Helper()
	var receipts types.Receipts
	if version == 68 {
		mustDecode(encoded, &receipts)
	} else {
		var slim []*slimReceipt
		mustDecode(encoded, &slim)
		for _, s := range slim {
			r := &types.Receipt{Type: uint8(s.Type), CumulativeGasUsed: s.Gas, Logs: s.Logs}
			if r.Status = uint64(len(s.Status)); len(s.Status) == common.HashLength {
				r.PostState = s.Status
			}
			r.Bloom = types.CreateBloom(r)
			receipts = append(receipts, r)
		}
	}
	if got, want := types.DeriveSha(receipts, trie.NewStackTrie(nil)), x.headers[n].ReceiptHash; got != want {
		x.Fatalf("eth/%d: the receipts of block %d have the root %v, want %v", version, n, got, want)
	}
}

// accessList checks the item of a list; without is whether there is none.
func (x *truth) accessList(n int, item []byte) (without bool) {
	x.Helper()
	want := x.headers[n].BlockAccessListHash
	if bytes.Equal(item, rlp.EmptyString) {
		return true
	}
	if want == nil || crypto.Keccak256Hash(item) != *want {
		x.Fatalf("block access list %d: %d bytes that its header does not name", n, len(item))
	}
	return false
}

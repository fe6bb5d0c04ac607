package testchain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// branch is the test chain with other headers from a block on.
type branch struct {
	blocks []Block
	from   uint64
	parent common.Hash
}

// Read implements history.Source.
func (b *branch) Read(p chain.Part, n uint64) ([]byte, error) {
	one := b.blocks[n]
	switch p {
	case chain.Body:
		return one.Body, nil
	case chain.Receipts:
		return one.Receipts, nil
	}
	if n < b.from {
		b.parent = crypto.Keccak256Hash(one.Header)
		return one.Header, nil
	}
	h := new(types.Header)
	if err := rlp.DecodeBytes(one.Header, h); err != nil {
		return nil, err
	}
	h.ParentHash, h.Extra = b.parent, []byte("branch")
	b.parent = h.Hash()
	return rlp.EncodeToBytes(h)
}

// Branch writes an .ere file, as a download does, with the blocks before number count, of which those from number
// from on are of another branch than the test chain. It returns the file's path.
func Branch(t testing.TB, dir string, from, count uint64) string {
	t.Helper()
	e, err := history.WriteEpoch(dir, history.NetworkName(0), &branch{blocks: Blocks(t), from: from}, history.Blocks{Count: count}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.Path
}

package history

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// readChecked reads a part of a block from a file. A header is the one that was indexed, and the
// other parts are that header's: files rot, and nothing else says that a body is the block's.
func (a *Archive) readChecked(m *member, p chain.Part, n uint64) ([]byte, error) {
	b, err := a.readIn(m, p, n)
	if err != nil {
		return nil, err
	}
	if p == chain.Header {
		if hash := crypto.Keccak256Hash(b); !a.indexed(hash, n) {
			return nil, fmt.Errorf("%s: header of block %d: hash %v, another one was indexed", m.path, n, hash)
		}
		return b, nil
	}
	encoded, err := a.fetch(chain.Header, n)
	if err != nil {
		return nil, err
	}
	h := new(types.Header)
	if err := rlp.DecodeBytes(encoded, h); err != nil {
		return nil, fmt.Errorf("header of block %d in %s: %w", n, a.pathOf(chain.Header, n), err)
	}
	if err := checkPart(p, b, h); err != nil {
		return nil, fmt.Errorf("%s: %s of block %d: %w", m.path, p, n, err)
	}
	return b, nil
}

// indexed reports whether block n has a hash, by the beginning that the index has of it.
func (a *Archive) indexed(hash common.Hash, n uint64) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.index.has(prefixOf(hash), n)
}

// checkPart returns an error if a part of a block is not what its header says.
func checkPart(p chain.Part, b []byte, h *types.Header) error {
	switch p {
	case chain.Body:
		roots, err := chain.RootsOf(b)
		if err != nil {
			return err
		}
		return roots.Check(h)
	case chain.Receipts:
		root, err := chain.ReceiptsRoot(b)
		if err != nil {
			return err
		}
		if root != h.ReceiptHash {
			return fmt.Errorf("receipts root %v, want %v", root, h.ReceiptHash)
		}
	case chain.AccessList:
		if hash := crypto.Keccak256Hash(b); h.BlockAccessListHash == nil || hash != *h.BlockAccessListHash {
			return fmt.Errorf("hash %v, want %v", hash, h.BlockAccessListHash)
		}
	}
	return nil
}

package serve

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Source has the blocks that are served. Its methods may be called from any goroutine.
type Source interface {
	// Number returns the number of the block with a hash, on the canonical chain; ok is false if there
	// is none.
	Number(hash common.Hash) (number uint64, ok bool)
	// Read returns a part of a block of the canonical chain as RLP, or chain.ErrAbsent. The caller
	// does not change it.
	Read(p chain.Part, number uint64) ([]byte, error)
	// Side returns the header of a block that is not on the canonical chain; ok is false if none with
	// that hash is known.
	Side(hash common.Hash) (header []byte, ok bool)
}

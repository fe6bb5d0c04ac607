package history

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/lru"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

const (
	cachedBytes = 16 << 20 // of parts, with what an entry costs
	entryCost   = 160      // of a cached part beside its bytes
	cachedHash  = 1 << 14  // hashes with their numbers, of about 100 bytes each
)

// recent has what was read last. Peers ask for the same blocks, and for the body and the receipts of
// a block after its header. It is replaced when a file is left out.
type recent struct {
	parts   *lru.SizeConstrainedCache[uint64, []byte] // see partKey
	numbers *lru.Cache[common.Hash, uint64]
}

// partKey returns the key of a part of block n, which is below maxNumber.
func partKey(p chain.Part, n uint64) uint64 { return n<<3 | uint64(p) }

func newRecent() *recent {
	return &recent{
		parts:   lru.NewSizeConstrainedCacheWithKeySize[uint64, []byte](cachedBytes, func(uint64) uint64 { return entryCost }),
		numbers: lru.NewCache[common.Hash, uint64](cachedHash),
	}
}

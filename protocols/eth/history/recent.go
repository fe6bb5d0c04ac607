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
	parts   *lru.SizeConstrainedCache[partKey, []byte]
	numbers *lru.Cache[common.Hash, uint64]
}

type partKey struct {
	part   chain.Part
	number uint64
}

func newRecent() *recent {
	return &recent{
		parts:   lru.NewSizeConstrainedCacheWithKeySize[partKey, []byte](cachedBytes, func(partKey) uint64 { return entryCost }),
		numbers: lru.NewCache[common.Hash, uint64](cachedHash),
	}
}

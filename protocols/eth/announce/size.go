package announce

import (
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rlp"
)

// Sizes returns the sizes that a transaction is announced with: before eth/72 with the blobs in its
// sidecar, and from then on without. They are alike unless it has blobs. It does not matter whether
// the transaction has its blobs at hand. One without a sidecar has the size of what there is.
func Sizes(tx *types.Transaction) (whole, elided uint32) {
	s := tx.BlobTxSidecar()
	if s == nil {
		return uint32(tx.Size()), uint32(tx.Size())
	}
	body := tx.WithoutBlobTxSidecar().Size() - 1 // without the type
	const point = 1 + uint64(len(kzg4844.Commitment{}))
	rest := rlp.ListSize(uint64(len(s.Commitments))*point) + rlp.ListSize(uint64(len(s.Proofs))*point)
	if s.Version != types.BlobSidecarVersion0 {
		rest += uint64(rlp.IntSize(uint64(s.Version)))
	}
	blob := rlp.ListSize(uint64(len(kzg4844.Blob{}))) // a string of that length has as many bytes as a list
	size := func(blobs int) uint32 {
		return uint32(1 + rlp.ListSize(body+rest+rlp.ListSize(uint64(blobs)*blob)))
	}
	return size(len(s.Commitments)), size(0)
}

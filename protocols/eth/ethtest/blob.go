package ethtest

import (
	"sync"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// sidecars are those that Blob has made, by number.
var sidecars sync.Map

// Blob returns the sidecar, as eth/71 has it, of a blob that is one number everywhere: all of its cells
// are alike, and its proofs are the point at infinity, so that it is made in no time once the set-up of KZG is
// done. The caller must not change it.
func Blob(n byte) *types.BlobTxSidecar {
	if s, ok := sidecars.Load(n); ok {
		return s.(*types.BlobTxSidecar)
	}
	s := &types.BlobTxSidecar{Version: types.BlobSidecarVersion1, Blobs: make([]kzg4844.Blob, 1)}
	for i := 31; i < len(s.Blobs[0]); i += 32 {
		s.Blobs[0][i] = n
	}
	commitment, err := kzg4844.BlobToCommitment(&s.Blobs[0])
	if err != nil {
		panic(err) // no number of a byte is too large
	}
	s.Commitments = []kzg4844.Commitment{commitment}
	for range kzg4844.CellProofsPerBlob {
		s.Proofs = append(s.Proofs, kzg4844.Proof{0xc0})
	}
	sidecars.Store(n, s)
	return s
}

// Elided returns a blob transaction without blobs, as eth/72 has it.
func Elided(tx *types.Transaction) *types.Transaction {
	s := tx.BlobTxSidecar()
	return tx.WithBlobTxSidecar(types.NewBlobTxSidecar(s.Version, nil, s.Commitments, s.Proofs))
}

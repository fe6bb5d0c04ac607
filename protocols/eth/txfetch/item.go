package txfetch

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
)

// The faults of peers. The error of a Fault is one of them, with the transaction and the values.
var (
	ErrType    = errors.New("transaction announced with another type")
	ErrSize    = errors.New("transaction announced with another size")
	ErrUnasked = errors.New("transaction was not asked for")
	ErrPushed  = errors.New("blob transaction was pushed")
	ErrSidecar = errors.New("blob transaction is not whole")
)

// Item is a transaction that a peer has delivered.
type Item struct {
	Hash common.Hash
	Type byte
	// Whole and Elided are the sizes that it is announced with, before eth/72 and from then on.
	Whole, Elided uint32
	// Err says that it is a blob transaction whose sidecar is not what the version of the link needs.
	// Its hash does not depend on that, so that it says nothing of what others have announced.
	Err error
}

// Inspect returns what a Fetcher needs to know of a transaction that came on a link with a version of
// eth. It hashes the commitments, and is best called outside of actors. Blobs, cells and proofs are
// not verified.
func Inspect(version uint, tx *types.Transaction) Item {
	item := Item{Hash: tx.Hash(), Type: tx.Type()}
	item.Whole, item.Elided = announce.Sizes(tx)
	if item.Type == types.BlobTxType {
		if err := checkSidecar(version, tx); err != nil {
			item.Err = fmt.Errorf("%w: %v: %w", ErrSidecar, item.Hash, err)
		}
	}
	return item
}

func checkSidecar(version uint, tx *types.Transaction) error {
	s, hashes := tx.BlobTxSidecar(), tx.BlobHashes()
	if s == nil {
		return errors.New("no sidecar")
	}
	blobs := len(hashes)
	if version >= announce.Masked {
		blobs = 0
	}
	switch {
	case s.Version != types.BlobSidecarVersion1:
		return fmt.Errorf("sidecar of version %d, want %d", s.Version, types.BlobSidecarVersion1)
	case len(hashes) == 0:
		return errors.New("no blob")
	case len(s.Blobs) != blobs:
		return fmt.Errorf("%d blobs, want %d", len(s.Blobs), blobs)
	case len(s.Proofs) != len(hashes)*kzg4844.CellProofsPerBlob:
		return fmt.Errorf("%d proofs for %d blobs", len(s.Proofs), len(hashes))
	}
	return s.ValidateBlobCommitmentHashes(hashes)
}

// mismatch returns how an item differs from what a peer with a version of eth has announced.
func (i *Item) mismatch(kind byte, size uint32, version uint) error {
	want := i.Whole
	if version >= announce.Masked {
		want = i.Elided
	}
	switch {
	case kind != i.Type:
		return fmt.Errorf("%w: %v has type %d, announced was %d", ErrType, i.Hash, i.Type, kind)
	case max(size, want)-min(size, want) > sizeTolerance:
		return fmt.Errorf("%w: %v has %d bytes, announced were %d", ErrSize, i.Hash, want, size)
	}
	return nil
}

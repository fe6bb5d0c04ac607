package pool

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
)

// Tx is a transaction as the pool keeps it: encoded. It never changes.
type Tx struct {
	hash    common.Hash
	sender  common.Address
	nonce   uint64
	kind    byte
	blobs   int // their number
	encoded []byte
	whole   uint32 // size with blobs in bytes; only of a blob transaction
	custody types.CustodyBitmap
	cells   []kzg4844.Cell

	feeCap, tip, blobFeeCap uint256.Int // wei
	cost                    uint256.Int // wei; the largest number if it has more than 256 bits
}

// ErrSidecar says that a blob transaction does not have what it needs.
var ErrSidecar = errors.New("sidecar")

// NewTx encodes a transaction that has been checked, with the sender that the check has returned. A
// blob transaction has a sidecar without blobs, and in their place some cells of each: those of
// the columns of custody, first all of the first blob by ascending column (the order of
// kzg4844.VerifyCells). They must have been verified. The pool keeps the cells without copying them.
func NewTx(tx *types.Transaction, sender common.Address, custody types.CustodyBitmap, cells []kzg4844.Cell) (*Tx, error) {
	encoded, err := tx.MarshalBinary()
	if err != nil {
		return nil, err
	}
	t := &Tx{
		hash: tx.Hash(), sender: sender, nonce: tx.Nonce(), kind: tx.Type(),
		blobs: len(tx.BlobHashes()), encoded: encoded, custody: custody, cells: cells,
	}
	if t.kind == types.BlobTxType {
		if err := t.checkSidecar(tx.BlobTxSidecar()); err != nil {
			return nil, fmt.Errorf("transaction %v: %w", t.hash, err)
		}
		t.whole, _ = announce.Sizes(tx)
		t.blobFeeCap = saturated(uint256.FromBig(tx.BlobGasFeeCap()))
	}
	t.feeCap = saturated(uint256.FromBig(tx.GasFeeCap()))
	t.tip = saturated(uint256.FromBig(tx.GasTipCap()))
	t.cost = saturated(uint256.FromBig(tx.Cost()))
	return t, nil
}

func (t *Tx) checkSidecar(sidecar *types.BlobTxSidecar) error {
	switch {
	case sidecar == nil:
		return fmt.Errorf("%w: missing", ErrSidecar)
	case len(sidecar.Blobs) != 0:
		return fmt.Errorf("%w: %d blobs, want cells", ErrSidecar, len(sidecar.Blobs))
	case len(t.cells) == 0 || len(t.cells) != t.blobs*t.custody.OneCount():
		return fmt.Errorf("%w: %d cells, want %d of each of %d blobs", ErrSidecar, len(t.cells), t.custody.OneCount(), t.blobs)
	}
	return nil
}

func saturated(v *uint256.Int, overflow bool) uint256.Int {
	if overflow {
		v.SetAllOne()
	}
	return *v
}

// Hash returns the transaction's hash.
func (t *Tx) Hash() common.Hash { return t.hash }

// Sender returns the address that pays.
func (t *Tx) Sender() common.Address { return t.sender }

// Nonce returns the number of the transaction among its sender's.
func (t *Tx) Nonce() uint64 { return t.nonce }

// Type returns the transaction's type (EIP-2718).
func (t *Tx) Type() byte { return t.kind }

// Custody returns the columns of cells that the pool has of a blob transaction.
func (t *Tx) Custody() types.CustodyBitmap { return t.custody }

// Cells returns the cells of a blob transaction in the order that NewTx wants. The caller must not
// change them.
func (t *Tx) Cells() []kzg4844.Cell { return t.cells }

// Announcement returns what to announce of the transaction on a version of eth; ok is false if a
// peer could not get it on that version: before eth/72 blobs are sent in full, and need half of the
// columns.
func (t *Tx) Announcement(version uint) (a announce.Tx, ok bool) {
	if !t.available(version) {
		return a, false
	}
	return announce.Tx{Hash: t.hash, Type: t.kind, Size: uint32(t.Size(version))}, true
}

func (t *Tx) available(version uint) bool {
	return t.kind != types.BlobTxType || version >= announce.Masked || t.custody.OneCount() >= kzg4844.DataPerBlob
}

// Size returns the size that announcements have, in bytes: without the header of a string around a
// typed transaction, and from eth/72 on without blobs.
func (t *Tx) Size(version uint) int {
	if t.kind != types.BlobTxType || version >= announce.Masked {
		return len(t.encoded)
	}
	return int(t.whole)
}

// Encode returns the item of a list of transactions, as a version of eth has it: a list, or a string
// if the transaction is typed. It returns nil if the version could not send the transaction. Blobs
// that are not there as data are computed from cells, which takes some milliseconds.
func (t *Tx) Encode(version uint) ([]byte, error) {
	if !t.available(version) {
		return nil, nil
	}
	encoded := t.encoded
	if t.kind == types.BlobTxType && version < announce.Masked {
		var err error
		if encoded, err = t.withBlobs(); err != nil {
			return nil, fmt.Errorf("transaction %v: %w", t.hash, err)
		}
	}
	if t.kind == types.LegacyTxType {
		return encoded, nil
	}
	return rlp.EncodeToBytes(encoded)
}

// withBlobs returns 3‖[tx, version, blobs, commitments, proofs].
func (t *Tx) withBlobs() ([]byte, error) {
	blobs, err := kzg4844.RecoverBlobs(t.cells, t.custody.Indices())
	if err != nil {
		return nil, err
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(t.encoded); err != nil {
		return nil, err
	}
	s := tx.BlobTxSidecar()
	return tx.WithBlobTxSidecar(types.NewBlobTxSidecar(s.Version, blobs, s.Commitments, s.Proofs)).MarshalBinary()
}

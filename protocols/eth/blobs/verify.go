package blobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// The errors of verification.
var (
	// ErrCells says that cells, proofs and commitments do not fit each other.
	ErrCells = errors.New("cells do not fit commitments and proofs")
	// ErrSidecar says that commitments or proofs are missing, or not those of the transaction.
	ErrSidecar = errors.New("sidecar")
)

// Setup is the trusted set-up of KZG, which all functions of this package that verify need. It takes some
// seconds of a processor, and 20 MB, once in a process.
type Setup struct{ done chan struct{} }

// BeginSetup begins the set-up in a goroutine that run starts, and returns at once.
func BeginSetup(run func(func())) *Setup {
	s := &Setup{done: make(chan struct{})}
	run(func() {
		defer close(s.done)
		_, _ = kzg4844.ComputeCells(nil) // of no blob; the library makes its set-up first
	})
	return s
}

// Wait waits until the set-up is done. It is for goroutines outside actors.
func (s *Setup) Wait(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CheckBody checks that a type-3 transaction has the sidecar of eth/72: no blobs, commitments that are
// those of its hashes, and 128 proofs for each. The proofs are checked with cells.
func CheckBody(tx *types.Transaction) error { return checkSidecar(tx, 0) }

func checkSidecar(tx *types.Transaction, blobs int) error {
	s, hashes := tx.BlobTxSidecar(), tx.BlobHashes()
	switch {
	case s == nil:
		return fmt.Errorf("%w: none", ErrSidecar)
	case s.Version != types.BlobSidecarVersion1:
		return fmt.Errorf("%w: version %d, want %d", ErrSidecar, s.Version, types.BlobSidecarVersion1)
	case len(hashes) == 0 || len(hashes) > MaxBlobs:
		return fmt.Errorf("%w: %d blobs, want 1 to %d", ErrSidecar, len(hashes), MaxBlobs)
	case len(s.Blobs) != blobs:
		return fmt.Errorf("%w: %d blobs, want %d", ErrSidecar, len(s.Blobs), blobs)
	case len(s.Proofs) != len(hashes)*Columns:
		return fmt.Errorf("%w: %d proofs for %d blobs", ErrSidecar, len(s.Proofs), len(hashes))
	}
	if err := s.ValidateBlobCommitmentHashes(hashes); err != nil {
		return fmt.Errorf("%w: %w", ErrSidecar, err)
	}
	return nil
}

// Verify verifies cells against the commitments of a sidecar, by the proofs of their columns. Errors
// are ErrCells. It takes some milliseconds for 8 columns, and 30 for 64.
func Verify(s *types.BlobTxSidecar, c *Cells) error {
	columns := c.Mask.Indices()
	if len(columns) == 0 || len(c.Cells) != len(columns)*len(s.Commitments) || len(s.Proofs) != Columns*len(s.Commitments) {
		return fmt.Errorf("%w: %d cells in %d columns, %d proofs, %d blobs", ErrCells, len(c.Cells), len(columns), len(s.Proofs), len(s.Commitments))
	}
	proofs := make([]kzg4844.Proof, 0, len(c.Cells))
	for blob := range s.Commitments {
		for _, column := range columns {
			proofs = append(proofs, s.Proofs[blob*Columns+int(column)])
		}
	}
	if err := kzg4844.VerifyCells(c.Cells, s.Commitments, proofs, columns); err != nil {
		return fmt.Errorf("%w: %w", ErrCells, err)
	}
	return nil
}

// Recover returns the cells of all columns. It needs those of 64 columns, and verifies nothing: if they are right,
// so are the others. It takes some ten milliseconds for a blob.
func Recover(c *Cells) (*Cells, error) {
	if c.Mask == types.CustodyBitmapAll {
		return c, nil
	}
	all, err := kzg4844.RecoverCells(c.Cells, c.Mask.Indices())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCells, err)
	}
	return &Cells{c.Hash, types.CustodyBitmapAll, all}, nil
}

// Right reports whether cells are those of commitments, whatever the proofs are. It needs 64 columns,
// from which it recovers the blobs.
func Right(commitments []kzg4844.Commitment, c *Cells) bool {
	if !provides(c.Mask) || len(c.Cells) != len(commitments)*c.Mask.OneCount() {
		return false
	}
	blobs, err := kzg4844.RecoverBlobs(c.Cells, c.Mask.Indices())
	if err != nil {
		return false
	}
	for i := range blobs {
		if got, err := kzg4844.BlobToCommitment(&blobs[i]); err != nil || got != commitments[i] {
			return false
		}
	}
	all, err := kzg4844.ComputeCells(blobs)
	if err != nil {
		return false
	}
	// The blobs may be right although some of the cells are not.
	for i, column := range c.Mask.Indices() {
		for blob := range commitments {
			if c.Cells[blob*c.Mask.OneCount()+i] != all[blob*Columns+int(column)] {
				return false
			}
		}
	}
	return true
}

// Elide verifies a transaction with its blobs, as eth/68 to 71 have it, and returns it without them, and the
// cells of all columns. Errors are ErrSidecar or ErrCells; the sender of the message is at fault.
func Elide(tx *types.Transaction) (*types.Transaction, *Cells, error) {
	if err := checkSidecar(tx, len(tx.BlobHashes())); err != nil {
		return nil, nil, err
	}
	s := tx.BlobTxSidecar()
	all, err := kzg4844.ComputeCells(s.Blobs)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCells, err)
	}
	cells := &Cells{tx.Hash(), types.CustodyBitmapAll, all}
	if err := Verify(s, cells); err != nil {
		return nil, nil, err
	}
	return tx.WithBlobTxSidecar(types.NewBlobTxSidecar(s.Version, nil, s.Commitments, s.Proofs)), cells, nil
}

// merge returns the cells of several disjoint sets of columns, which all have the same number of blobs.
func merge(sets []*Cells) *Cells {
	if len(sets) == 1 {
		return sets[0]
	}
	out := &Cells{Hash: sets[0].Hash}
	var from [Columns]struct {
		set   *Cells
		place int
	}
	for _, c := range sets {
		out.Mask = out.Mask.Union(c.Mask)
		for place, column := range c.Mask.Indices() {
			from[column].set, from[column].place = c, place
		}
	}
	columns := out.Mask.Indices()
	blobs := sets[0].Blobs()
	out.Cells = make([]kzg4844.Cell, 0, blobs*len(columns))
	for blob := range blobs {
		for _, column := range columns {
			f := &from[column]
			out.Cells = append(out.Cells, f.set.Cells[blob*f.set.Mask.OneCount()+f.place])
		}
	}
	return out
}

package blobs

import (
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"
)

type jobKind uint8

const (
	// check verifies cells against the body.
	check jobKind = iota
	// judge verifies cells that do not fit the body of another peer against that of their own sender.
	judge
	// finish recovers the cells of all columns, and verifies those that were not there.
	finish
	// elide verifies a transaction with blobs, and makes cells of them.
	elide
)

// Job is a piece of work of some milliseconds, up to some hundred. After Run it is given back to its
// Fetcher, by Checked.
type Job[P comparable] struct {
	of   *Fetcher[P]
	kind jobKind
	item *item[P]
	body *body[P]
	part *part[P] // of check and judge
	sets []*Cells // of finish

	tx    *types.Transaction // result of elide
	cells *Cells             // result of finish and elide
	right bool               // result of check: the cells are right although they don't fit
	err   error
}

// Run does the work. The set-up must be done. Run touches nothing that the Fetcher's methods touch, and
// may be called from any goroutine.
func (j *Job[P]) Run() {
	switch j.kind {
	case check:
		if j.err = Verify(j.body.sidecar(), j.part.cells); j.err != nil {
			j.right = Right(j.body.sidecar().Commitments, j.part.cells)
		}
	case judge:
		j.err = Verify(j.body.sidecar(), j.part.cells)
	case finish:
		given := merge(j.sets)
		if j.cells, j.err = Recover(given); j.err != nil {
			return
		}
		if rest := j.cells.only(types.CustodyBitmapAll.Difference(given.Mask)); len(rest.Cells) > 0 {
			j.err = Verify(j.body.sidecar(), rest)
		}
	case elide:
		j.tx, j.cells, j.err = Elide(j.body.tx)
	}
}

// only returns the cells of some columns of those of all columns.
func (c *Cells) only(mask types.CustodyBitmap) *Cells {
	out := &Cells{Hash: c.Hash, Mask: mask}
	for blob := range c.Blobs() {
		for _, column := range mask.Indices() {
			out.Cells = append(out.Cells, c.Cells[blob*Columns+int(column)])
		}
	}
	return out
}

// wrong returns the error of a peer's fault.
func wrong[P comparable](it *item[P], what string, err error) error {
	return fmt.Errorf("transaction %v: wrong %s: %w", it.hash, what, err)
}

package blobs

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	// MaxBlobs is the number of blobs that a transaction may have.
	MaxBlobs = params.BlobTxMaxBlobs
	// cellSize is the size of a cell in bytes, and cellItem that of an encoded one.
	cellSize = len(kzg4844.Cell{})
	cellItem = 3 + cellSize
)

// ErrAnswer says that an answer to GetCells is not what was asked for. Its sender is at fault.
var ErrAnswer = errors.New("cells")

// Cells are the cells of one transaction: those of some columns, of each blob.
type Cells struct {
	Hash common.Hash // of the transaction
	Mask types.CustodyBitmap
	// Cells has first all of the first blob, by ascending column.
	Cells []kzg4844.Cell
}

// Blobs returns the number of blobs.
func (c *Cells) Blobs() int { return len(c.Cells) / max(1, c.Mask.OneCount()) }

// Ask is what a GetCells asks for: cells of the columns of a mask, of each blob of each transaction.
type Ask struct {
	Hashes []common.Hash
	Mask   types.CustodyBitmap
}

// Parse returns the cells in an answer: its hashes, the list with a list of cells for each of them, and its
// mask. Hashes and mask may be parts of what was asked for, and an empty list of cells is not returned. All
// errors are ErrAnswer. Cells are copied once their number is known to be possible, so that the
// memory is less than the size of the answer.
func (a Ask) Parse(hashes []common.Hash, list []byte, mask types.CustodyBitmap) ([]Cells, error) {
	if !within(mask, a.Mask) {
		return nil, fmt.Errorf("%w: mask %x was not asked for, but %x", ErrAnswer, mask, a.Mask)
	}
	asked := make(map[common.Hash]bool, len(a.Hashes))
	for _, hash := range a.Hashes {
		asked[hash] = true
	}
	content, after, err := rlp.SplitList(list)
	if err != nil || len(after) != 0 {
		return nil, fmt.Errorf("%w: not one list", ErrAnswer)
	}
	var answer []Cells
	for i, hash := range hashes {
		if !asked[hash] {
			return nil, fmt.Errorf("%w: transaction %v was not asked for, or comes twice", ErrAnswer, hash)
		}
		delete(asked, hash)
		var inner []byte
		if inner, content, err = rlp.SplitList(content); err != nil {
			return nil, fmt.Errorf("%w: list %d of %d: %w", ErrAnswer, i, len(hashes), err)
		}
		if len(inner) == 0 {
			continue
		}
		cells, err := parseCells(inner, mask.OneCount())
		if err != nil {
			return nil, fmt.Errorf("%w: transaction %v: %w", ErrAnswer, hash, err)
		}
		answer = append(answer, Cells{hash, mask, cells})
	}
	if len(content) != 0 {
		return nil, fmt.Errorf("%w: more lists than the %d transactions", ErrAnswer, len(hashes))
	}
	return answer, nil
}

// parseCells brings the cells of a transaction from the order of messages, where each column has all
// blobs, to the order of Cells.
func parseCells(list []byte, columns int) ([]kzg4844.Cell, error) {
	count := len(list) / cellItem
	switch {
	case len(list)%cellItem != 0:
		return nil, fmt.Errorf("%d bytes: a cell has %d", len(list), cellItem)
	case columns == 0 || count%columns != 0:
		return nil, fmt.Errorf("%d cells in %d columns", count, columns)
	case count > columns*MaxBlobs:
		return nil, fmt.Errorf("%d cells in %d columns: a transaction has at most %d blobs", count, columns, MaxBlobs)
	}
	blobs := count / columns
	cells := make([]kzg4844.Cell, count)
	for i := range count {
		item := list[i*cellItem : (i+1)*cellItem]
		if [3]byte(item) != cellHead {
			return nil, fmt.Errorf("item %d is no cell of %d bytes", i, cellSize)
		}
		copy(cells[i%blobs*columns+i/blobs][:], item[3:])
	}
	return cells, nil
}

// cellHead is the head of an encoded cell.
var cellHead = [3]byte{0xb9, byte(cellSize >> 8), byte(cellSize & 0xff)}

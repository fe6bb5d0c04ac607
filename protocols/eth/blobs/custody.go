package blobs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/holiman/uint256"
)

const (
	// Columns is the number of cells that a blob is extended to.
	Columns = kzg4844.CellsPerBlob
	// Enough is the number of cells that all cells of a blob can be recovered from.
	Enough = kzg4844.DataPerBlob
	// DefaultCustody is the number of columns that a node has in custody by default: the
	// SAMPLES_PER_SLOT of the consensus specs.
	DefaultCustody = 8
)

// Custody returns the columns that a node has in custody: the get_custody_groups of the consensus specs
// (fulu/das-core.md), where each group has one column. count is at most Columns.
func Custody(id enode.ID, count int) types.CustodyBitmap {
	var mask types.CustodyBitmap
	current, one := new(uint256.Int).SetBytes32(id[:]), uint256.NewInt(1)
	for mask.OneCount() < min(count, Columns) {
		bytes := current.Bytes32()
		slices.Reverse(bytes[:]) // the specs' integers are little-endian
		hash := sha256.Sum256(bytes[:])
		set(&mask, binary.LittleEndian.Uint64(hash[:8])%Columns)
		current.Add(current, one) // after the largest number comes zero
	}
	return mask
}

// ParseColumn parses the number of a column.
func ParseColumn(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err == nil && n >= Columns {
		err = fmt.Errorf("column %d: want at most %d", n, Columns-1)
	}
	return n, err
}

// set adds a column to a mask: column i is bit i%8 of byte i/8.
func set(mask *types.CustodyBitmap, column uint64) { mask[column/8] |= 1 << (column % 8) }

// provides reports whether a peer with these columns has whole blobs.
func provides(mask types.CustodyBitmap) bool { return mask.OneCount() >= Enough }

// within reports whether all columns of a mask are in another.
func within(mask, other types.CustodyBitmap) bool {
	return mask.Difference(other) == types.CustodyBitmap{}
}

// first returns at most n columns of a mask, those with the lowest numbers.
func first(mask types.CustodyBitmap, n int) (out types.CustodyBitmap) {
	for i, column := range mask.Indices() {
		if i >= n {
			break
		}
		set(&out, column)
	}
	return out
}

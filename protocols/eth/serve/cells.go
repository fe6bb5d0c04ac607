package serve

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

const (
	// maxCells is the number of cells in an answer from which on none are added: 2 MiB of them.
	maxCells = softLimit / len(kzg4844.Cell{})
	// cellItem is the size of an encoded cell.
	cellItem = 3 + len(kzg4844.Cell{})
)

// cellHead goes before the content of a cell.
var cellHead = [3]byte{0xb9, byte(len(kzg4844.Cell{}) >> 8), byte(len(kzg4844.Cell{}) & 0xff)}

// Cells returns the cells of transactions for the columns of a mask: the hashes of those of which all of
// these columns are there, and a list for each of them, in the order of the request. get returns a transaction's cells and
// their columns: first all cells of the first blob, by ascending column. A transaction that is not there
// has none.
func Cells(hashes []common.Hash, mask types.CustodyBitmap, get func(common.Hash) ([]kzg4844.Cell, types.CustodyBitmap)) ([]common.Hash, []byte) {
	var l list
	var found []common.Hash
	count := 0
	for i, hash := range hashes {
		if i >= maxLookups || count >= maxCells {
			break
		}
		cells, custody := get(hash)
		item := selectCells(cells, custody, mask)
		if item == nil {
			continue
		}
		if !l.add(item) {
			break
		}
		found = append(found, hash)
		count += len(item) / cellItem
	}
	return found, l.encode()
}

// selectCells returns the list of a transaction's cells: by ascending column, and for each of them all blobs.
// It returns nil if there are none, or if columns are missing.
func selectCells(cells []kzg4844.Cell, custody, mask types.CustodyBitmap) []byte {
	have, want := custody.Indices(), mask.Indices()
	if len(cells) == 0 || len(want) == 0 || mask.Difference(custody) != (types.CustodyBitmap{}) {
		return nil
	}
	var places [kzg4844.CellsPerBlob]int
	for place, column := range have {
		places[column] = place
	}
	blobs := len(cells) / len(have)
	content := blobs * len(want) * cellItem
	item := AppendListHead(make([]byte, 0, listSize(content)), content)
	for _, column := range want {
		for blob := range blobs {
			item = append(item, cellHead[:]...)
			item = append(item, cells[blob*len(have)+places[column]][:]...)
		}
	}
	return item
}

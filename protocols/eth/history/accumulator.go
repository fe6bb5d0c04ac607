package history

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"math/bits"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// accumulator computes the SSZ hash tree root of List(HeaderRecord, 8192), where a record has the
// hash of a block and the total difficulty with it (Portal Network's historical hashes accumulator).
// It has one node for each level of the tree, whatever the number of records.
type accumulator struct {
	count uint64
	full  [accumulatorDepth + 1][32]byte // the left node that waits for its sibling, by level
}

// accumulatorDepth is the number of levels above the records: 2 to the 13th are maxBlocks.
const accumulatorDepth = 13

var errAccumulatorFull = errors.New("more blocks than an accumulator has")

func hashPair(left, right [32]byte) [32]byte {
	var b [64]byte
	copy(b[:], left[:])
	copy(b[32:], right[:])
	return sha256.Sum256(b[:])
}

// add enters the next block.
func (a *accumulator) add(hash common.Hash, total *big.Int) error {
	if a.count == maxBlocks {
		return errAccumulatorFull
	}
	node := hashPair(hash, difficultyBytes(total))
	level := bits.TrailingZeros64(^a.count) // so many subtrees are whole with this record
	for i := range level {
		node = hashPair(a.full[i], node)
	}
	a.full[level] = node
	a.count++
	return nil
}

// root returns the root over the blocks that were added.
func (a *accumulator) root() common.Hash {
	node := a.full[accumulatorDepth] // of a full list
	if a.count < maxBlocks {
		var zero [32]byte // root of a subtree without records
		node = zero
		for i := range accumulatorDepth {
			if a.count>>i&1 == 1 {
				node = hashPair(a.full[i], node)
			} else {
				node = hashPair(node, zero)
			}
			zero = hashPair(zero, zero)
		}
	}
	var length [32]byte
	binary.LittleEndian.PutUint64(length[:], a.count)
	return hashPair(node, length)
}

// difficultyBytes encodes a total difficulty as files have it. It must be below 2 to the 256th.
func difficultyBytes(total *big.Int) (b [32]byte) {
	total.FillBytes(b[:])
	slices.Reverse(b[:])
	return b
}

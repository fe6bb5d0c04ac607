package history

import (
	"encoding/binary"
	"math/bits"
	"sort"

	"github.com/ethereum/go-ethereum/common"
)

// index finds numbers of blocks by the first eight bytes of their hashes. It has 12 to 14 bytes
// for each block: a hash table of ordinals, and the prefixes in the order in which they came.
// What it finds is a candidate, because two hashes may begin alike.
type index struct {
	prefixes []uint64 // by ordinal
	slots    []uint32 // ordinal+1, or 0; open addressing
	runs     []run    // by ordinal
}

// run is a series of blocks with consecutive numbers and ordinals.
type run struct {
	ordinal uint32
	number  uint64
}

func prefixOf(h common.Hash) uint64 { return binary.BigEndian.Uint64(h[:]) }

// reserve makes room for more blocks in all.
func (x *index) reserve(blocks int) {
	if blocks > cap(x.prefixes) { // exactly: slices.Grow may make room for more than there are slots
		x.prefixes = append(make([]uint64, 0, blocks), x.prefixes...)
	}
	if want := blocks + blocks/4 + 8; want > len(x.slots) {
		x.slots = make([]uint32, want)
		for ordinal, prefix := range x.prefixes {
			x.place(prefix, uint32(ordinal))
		}
	}
}

// home returns the first slot for a prefix. Hashes are uniform, so that a multiplication spreads
// them over any number of slots.
func (x *index) home(prefix uint64) int {
	hi, _ := bits.Mul64(prefix, uint64(len(x.slots)))
	return int(hi)
}

func (x *index) place(prefix uint64, ordinal uint32) {
	i := x.home(prefix)
	for x.slots[i] != 0 {
		i = (i + 1) % len(x.slots)
	}
	x.slots[i] = ordinal + 1
}

// add enters blocks with consecutive numbers from first.
func (x *index) add(first uint64, prefixes []uint64) {
	if all := len(x.prefixes) + len(prefixes); all > cap(x.prefixes) {
		x.reserve(all + all/16) // so that many additions do not mean many tables
	}
	start := uint32(len(x.prefixes))
	x.runs = append(x.runs, run{ordinal: start, number: first})
	for i, prefix := range prefixes {
		x.place(prefix, start+uint32(i))
	}
	x.prefixes = append(x.prefixes, prefixes...)
}

// find calls f with the number of each block whose hash begins with prefix, until f returns true.
func (x *index) find(prefix uint64, f func(number uint64) bool) {
	if len(x.slots) == 0 {
		return
	}
	for i := x.home(prefix); x.slots[i] != 0; i = (i + 1) % len(x.slots) {
		ordinal := x.slots[i] - 1
		if x.prefixes[ordinal] == prefix && f(x.number(ordinal)) {
			return
		}
	}
}

// has reports whether block n was added with a prefix.
func (x *index) has(prefix, n uint64) (found bool) {
	x.find(prefix, func(number uint64) bool {
		found = number == n
		return found
	})
	return found
}

func (x *index) number(ordinal uint32) uint64 {
	i := sort.Search(len(x.runs), func(i int) bool { return x.runs[i].ordinal > ordinal }) - 1
	return x.runs[i].number + uint64(ordinal-x.runs[i].ordinal)
}

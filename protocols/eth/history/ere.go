package history

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// maxComponents is the number of parts of a block in an .ere file that its index may have. The
// specification knows five.
const maxComponents = 8

// ere is an .ere file: all headers, all bodies, all receipts and so on, and an index with the
// offsets of each block's parts. Which slot of the index is which part is known by the type of
// the entry that it points to.
type ere struct {
	entries
	first   uint64
	count   uint64
	slots   uint64
	slot    [chain.Parts]int // of a part, or -1
	offsets []byte           // of the index: count times slots offsets, relative to base
	base    int64            // offset of the index entry
}

var ereTypes = [chain.Parts]uint16{
	chain.Header: typeHeader, chain.Body: typeBody, chain.Receipts: typeSlimReceipts, chain.Difficulty: typeDifficulty,
}

func openEre(r io.ReaderAt, size int64) (*ere, error) {
	f := &ere{entries: entries{r: r, size: size}}
	if err := f.checkVersion(); err != nil {
		return nil, err
	}
	if err := f.readIndex(); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return f, f.findSlots()
}

// readIndex reads the index, which is the last entry: first number, offsets, slots, count.
func (f *ere) readIndex() error {
	const fixed = 3 * 8
	var tail [16]byte
	if f.size < 2*entryHead+fixed {
		return fmt.Errorf("the file has %d bytes", f.size)
	}
	if _, err := f.r.ReadAt(tail[:], f.size-16); err != nil {
		return noEOF(err)
	}
	f.slots = binary.LittleEndian.Uint64(tail[:])
	f.count = binary.LittleEndian.Uint64(tail[8:])
	if f.slots == 0 || f.slots > maxComponents {
		return fmt.Errorf("%d parts a block, want 1 to %d", f.slots, maxComponents)
	}
	if err := checkSpan(0, f.count); err != nil {
		return err
	}
	length := int64(fixed + 8*f.count*f.slots)
	f.base = f.size - length - entryHead
	typ, n, err := f.head(f.base)
	if err != nil {
		return err
	}
	if typ != typeDynamicIndex || n != length {
		return fmt.Errorf("an entry of type 0x%02x and %d bytes for %d blocks of %d parts", typ, n, f.count, f.slots)
	}
	b := make([]byte, length-16)
	if _, err := f.r.ReadAt(b, f.base+entryHead); err != nil {
		return noEOF(err)
	}
	f.first, f.offsets = binary.LittleEndian.Uint64(b), b[8:]
	return checkSpan(f.first, f.count)
}

// offset returns the absolute offset that a slot of the index has, before the index itself.
func (f *ere) offset(i uint64, slot int) (int64, error) {
	at := (i*f.slots + uint64(slot)) * 8
	off := f.base + int64(binary.LittleEndian.Uint64(f.offsets[at:]))
	if off < entryHead || off >= f.base {
		return 0, fmt.Errorf("index: offset %d of part %d lies outside of the blocks", off, slot)
	}
	return off, nil
}

// findSlots finds out by the first block which slot is which part. Slots of unknown types are
// left alone, because later versions of the format may have more.
func (f *ere) findSlots() error {
	for p := range f.slot {
		f.slot[p] = -1
	}
	for slot := range int(f.slots) {
		off, err := f.offset(0, slot)
		if err != nil {
			return err
		}
		typ, _, err := f.head(off)
		if err != nil {
			return err
		}
		for p, t := range ereTypes {
			if t == 0 || t != typ {
				continue
			}
			if f.slot[p] >= 0 {
				return fmt.Errorf("index: slots %d and %d both have the %s", f.slot[p], slot, chain.Part(p))
			}
			f.slot[p] = slot
		}
	}
	if f.slot[chain.Header] < 0 || f.slot[chain.Body] < 0 {
		return fmt.Errorf("index: no headers or no bodies")
	}
	return nil
}

func (f *ere) span() (first, count uint64) { return f.first, f.count }
func (f *ere) has(p chain.Part) bool       { return f.slot[p] >= 0 }

func (f *ere) read(p chain.Part, i uint64) ([]byte, error) {
	off, err := f.offset(i, f.slot[p])
	if err != nil {
		return nil, err
	}
	if p == chain.Difficulty {
		return f.difficulty(off)
	}
	b, _, err := f.part(off, ereTypes[p])
	return b, err
}

func (f *ere) structure() error {
	for p, slot := range f.slot {
		if slot < 0 {
			continue
		}
		var next int64
		for i := range f.count {
			off, err := f.offset(i, slot)
			if err != nil {
				return err
			}
			if i > 0 && off != next {
				return fmt.Errorf("index: the %s of block %d is at %d, want %d", chain.Part(p), f.first+i, off, next)
			}
			typ, length, err := f.head(off)
			if err != nil {
				return err
			}
			if typ != ereTypes[p] {
				return fmt.Errorf("the %s of block %d has type 0x%02x, want 0x%02x", chain.Part(p), f.first+i, typ, ereTypes[p])
			}
			next = off + entryHead + length
		}
	}
	return nil
}

// accumulator looks for its entry between the parts of the last block and the index.
func (f *ere) accumulator() (root []byte, ok bool, err error) {
	var last int64
	for slot := range int(f.slots) {
		off, err := f.offset(f.count-1, slot)
		if err != nil {
			return nil, false, err
		}
		last = max(last, off)
	}
	return f.findAccumulator(last, f.base)
}

// findAccumulator returns the accumulator root among the entries from offset from to offset to.
func (e entries) findAccumulator(from, to int64) (root []byte, ok bool, err error) {
	for off := from; off < to; {
		typ, length, err := e.head(off)
		if err != nil {
			return nil, false, err
		}
		if typ == typeAccumulator {
			if length != 32 {
				return nil, false, fmt.Errorf("entry at %d: an accumulator of %d bytes, want 32", off, length)
			}
			root, _, err := e.read(off, typ)
			return root, err == nil, err
		}
		off += entryHead + length
	}
	return nil, false, nil
}

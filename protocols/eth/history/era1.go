package history

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// era1 is an era1 file: for each block header, body, receipts and total difficulty one after the
// other, then the accumulator, then an index with the offset of each header.
type era1 struct {
	entries
	first   uint64
	count   uint64
	offsets []byte // of the index, relative to base
	base    int64  // offset of the index entry
}

// era1Parts are the parts of a block in their order.
var era1Parts = [...]struct {
	part chain.Part
	typ  uint16
}{
	{chain.Header, typeHeader}, {chain.Body, typeBody}, {chain.Receipts, typeReceipts}, {chain.Difficulty, typeDifficulty},
}

func openEra1(r io.ReaderAt, size int64) (*era1, error) {
	f := &era1{entries: entries{r: r, size: size}}
	if err := f.checkVersion(); err != nil {
		return nil, err
	}
	if err := f.readIndex(); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return f, nil
}

// readIndex reads the index, which is the last entry: first number, offsets, count.
func (f *era1) readIndex() error {
	const fixed = 2 * 8
	var tail [8]byte
	if f.size < 2*entryHead+fixed {
		return fmt.Errorf("the file has %d bytes", f.size)
	}
	if _, err := f.r.ReadAt(tail[:], f.size-8); err != nil {
		return noEOF(err)
	}
	f.count = binary.LittleEndian.Uint64(tail[:])
	if err := checkSpan(0, f.count); err != nil {
		return err
	}
	length := int64(fixed + 8*f.count)
	f.base = f.size - length - entryHead
	typ, n, err := f.head(f.base)
	if err != nil {
		return err
	}
	if typ != typeIndex || n != length {
		return fmt.Errorf("an entry of type 0x%02x and %d bytes for %d blocks", typ, n, f.count)
	}
	b := make([]byte, length-8)
	if _, err := f.r.ReadAt(b, f.base+entryHead); err != nil {
		return noEOF(err)
	}
	f.first, f.offsets = binary.LittleEndian.Uint64(b), b[8:]
	return checkSpan(f.first, f.count)
}

func (f *era1) span() (first, count uint64) { return f.first, f.count }
func (f *era1) has(p chain.Part) bool       { return p != chain.AccessList }

// offset returns the absolute offset of a block's header.
func (f *era1) offset(i uint64) (int64, error) {
	off := f.base + int64(binary.LittleEndian.Uint64(f.offsets[i*8:]))
	if off < entryHead || off >= f.base {
		return 0, fmt.Errorf("index: offset %d lies outside of the blocks", off)
	}
	return off, nil
}

func (f *era1) read(p chain.Part, i uint64) ([]byte, error) {
	off, err := f.offset(i)
	if err != nil {
		return nil, err
	}
	for _, q := range era1Parts {
		if q.part == p {
			return f.readAt(off, p, q.typ)
		}
		if off, err = f.skip(off); err != nil {
			return nil, err
		}
	}
	return nil, chain.ErrAbsent
}

func (f *era1) readAt(off int64, p chain.Part, typ uint16) ([]byte, error) {
	if p == chain.Difficulty {
		return f.difficulty(off)
	}
	b, _, err := f.part(off, typ)
	if err != nil || p != chain.Receipts {
		return b, err
	}
	return chain.SlimReceipts(b)
}

func (f *era1) structure() error {
	var next int64
	for i := range f.count {
		off, err := f.offset(i)
		if err != nil {
			return err
		}
		if i > 0 && off != next {
			return fmt.Errorf("index: block %d is at %d, want %d", f.first+i, off, next)
		}
		for _, q := range era1Parts {
			typ, length, err := f.head(off)
			if err != nil {
				return err
			}
			if typ != q.typ {
				return fmt.Errorf("the %s of block %d has type 0x%02x, want 0x%02x", q.part, f.first+i, typ, q.typ)
			}
			off += entryHead + length
		}
		next = off
	}
	return nil
}

func (f *era1) accumulator() (root []byte, ok bool, err error) {
	last, err := f.offset(f.count - 1)
	if err != nil {
		return nil, false, err
	}
	return f.findAccumulator(last, f.base)
}

package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/golang/snappy"
)

// The types of e2store entries (e2store format specifications, era1.md and ere.md).
const (
	typeVersion      uint16 = 0x3265
	typeHeader       uint16 = 0x03
	typeBody         uint16 = 0x04
	typeReceipts     uint16 = 0x05 // in consensus form, with blooms
	typeDifficulty   uint16 = 0x06
	typeAccumulator  uint16 = 0x07
	typeSlimReceipts uint16 = 0x0a // in the form of eth/69
	typeIndex        uint16 = 0x3266
	typeDynamicIndex uint16 = 0x3267
)

const (
	// entryHead is the size of an entry's type and length in bytes.
	entryHead = 8
	// maxPart is the size of a part of a block in bytes, compressed or not, beyond which a file
	// counts as corrupt. A block has at most 8 MiB (EIP-7934), its receipts about as much.
	maxPart = 64 << 20
	// maxBlocks is the number of blocks in an era1 or .ere file, by their specifications.
	maxBlocks = 8192
	// maxNumber is more than the number of any block.
	maxNumber = 1 << 60
)

// entries reads the entries of an e2store file. It trusts nothing that the file says.
type entries struct {
	r    io.ReaderAt
	size int64 // of the file in bytes
}

// head returns type and length of the entry at off. The entry lies within the file.
func (e entries) head(off int64) (typ uint16, length int64, err error) {
	if off < 0 || off > e.size-entryHead {
		return 0, 0, fmt.Errorf("entry at %d: outside the file of %d bytes", off, e.size)
	}
	var b [entryHead]byte
	if _, err := e.r.ReadAt(b[:], off); err != nil {
		return 0, 0, fmt.Errorf("entry at %d: %w", off, noEOF(err))
	}
	return e.parse(off, b)
}

func (e entries) parse(off int64, b [entryHead]byte) (typ uint16, length int64, err error) {
	typ = binary.LittleEndian.Uint16(b[:])
	length = int64(binary.LittleEndian.Uint32(b[2:]))
	if b[6] != 0 || b[7] != 0 {
		return 0, 0, fmt.Errorf("entry at %d: reserved bytes are not zero", off)
	}
	if length > e.size-entryHead-off {
		return 0, 0, fmt.Errorf("entry at %d: %d bytes, of which the file has %d", off, length, e.size-entryHead-off)
	}
	return typ, length, nil
}

// guess is how much of an entry is read with its head, in bytes: most headers fit in.
const guess = 1 << 10

// read returns the content of the entry at off, which must have type want. next is the offset
// of the entry that follows.
func (e entries) read(off int64, want uint16) (content []byte, next int64, err error) {
	if off < 0 || off > e.size-entryHead {
		return nil, 0, fmt.Errorf("entry at %d: outside the file of %d bytes", off, e.size)
	}
	first := make([]byte, min(guess, e.size-off))
	if _, err := e.r.ReadAt(first, off); err != nil {
		return nil, 0, fmt.Errorf("entry at %d: %w", off, noEOF(err))
	}
	typ, length, err := e.parse(off, [entryHead]byte(first))
	switch {
	case err != nil:
		return nil, 0, err
	case typ != want:
		return nil, 0, fmt.Errorf("entry at %d: type 0x%02x, want 0x%02x", off, typ, want)
	case length > maxPart:
		return nil, 0, fmt.Errorf("entry at %d: %d bytes, more than %d", off, length, maxPart)
	}
	next = off + entryHead + length
	content = first[entryHead:]
	if int64(len(content)) >= length {
		return content[:length], next, nil
	}
	whole := make([]byte, length)
	n := copy(whole, content)
	if _, err := e.r.ReadAt(whole[n:], off+int64(len(first))); err != nil {
		return nil, 0, fmt.Errorf("entry at %d: %w", off, noEOF(err))
	}
	return whole, next, nil
}

// skip returns the offset of the entry after the one at off.
func (e entries) skip(off int64) (int64, error) {
	_, length, err := e.head(off)
	return off + entryHead + length, err
}

// part returns the decompressed content of the entry at off.
func (e entries) part(off int64, want uint16) (content []byte, next int64, err error) {
	packed, next, err := e.read(off, want)
	if err != nil {
		return nil, 0, err
	}
	content, err = unpack(packed)
	if err != nil {
		return nil, 0, fmt.Errorf("entry at %d: %w", off, err)
	}
	return content, next, nil
}

// unpackers are readers of snappy's framing format. Each has some 140 kB of buffers.
var unpackers = sync.Pool{New: func() any { return snappy.NewReader(nil) }}

var errTooLarge = fmt.Errorf("more than %d bytes decompressed", maxPart)

// unpack decompresses b from snappy's framing format. Snappy's best ratio is about 21, so that
// what b costs is bounded by its length and by maxPart.
func unpack(b []byte) ([]byte, error) {
	r := unpackers.Get().(*snappy.Reader)
	defer func() {
		r.Reset(nil) // the pool must not keep b
		unpackers.Put(r)
	}()
	r.Reset(bytes.NewReader(b))
	out := bytes.NewBuffer(make([]byte, 0, 3*len(b)))
	n, err := out.ReadFrom(io.LimitReader(r, maxPart+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompress: %w", err)
	case n > maxPart:
		return nil, errTooLarge
	}
	return out.Bytes(), nil
}

// noEOF turns the end of a file, which is no regular end here, into an error that says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// format is one of the file formats. Its methods are called from any goroutine.
type format interface {
	// span returns the number of the first block, and how many there are. Their sum fits in a
	// uint64.
	span() (first, count uint64)
	has(chain.Part) bool
	// read returns a part of block first+i, where i is below count.
	read(part chain.Part, i uint64) ([]byte, error)
	// structure checks that each part of each block is one entry of the right type, right after the
	// part of the block before it. So no offset can point to a part of another block.
	structure() error
	// accumulator returns the root over the blocks before the Merge; ok is false if there is none.
	accumulator() (root []byte, ok bool, err error)
}

// File is an opened file with blocks. Its methods may be called from any goroutine.
type File struct {
	path   string
	format format
	closer io.Closer
}

// ErrUnknownFormat says that a file is no history by its name.
var ErrUnknownFormat = errors.New("not an .era1, .ere or .rlp file")

// Open opens the file at path. Its name says what it is. An error says where the file is wrong.
func Open(path string) (*File, error) {
	f, info, err := chain.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	file, err := open(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

func open(path string, f *os.File, size int64) (file *File, err error) {
	file = &File{path: path, closer: f}
	switch filepath.Ext(path) {
	case ".ere":
		file.format, err = openEre(f, size)
	case ".era1":
		file.format, err = openEra1(f, size)
	case ".rlp":
		file.format, err = openChain(f, size, filepath.Dir(path))
	default:
		err = ErrUnknownFormat
	}
	return file, err
}

// Close closes the file.
func (f *File) Close() error { return f.closer.Close() }

// Path returns the path by which the file was opened.
func (f *File) Path() string { return f.path }

// Span returns the number of the first block, and the number of blocks. The blocks have
// consecutive numbers.
func (f *File) Span() (first, count uint64) { return f.format.span() }

// Has reports whether the file has a part of its blocks.
func (f *File) Has(p chain.Part) bool { return f.format.has(p) }

// Read returns a part of block number. The caller owns it. The error is chain.ErrAbsent if the file
// does not have the block or the part; another error names the file and what is wrong in it. That
// the part belongs to the block is not checked.
func (f *File) Read(p chain.Part, number uint64) ([]byte, error) {
	first, count := f.format.span()
	if number < first || number-first >= count || !f.format.has(p) {
		return nil, chain.ErrAbsent
	}
	b, err := f.format.read(p, number-first)
	if err != nil && !errors.Is(err, chain.ErrAbsent) {
		return nil, fmt.Errorf("%s: %s of block %d: %w", f.path, p, number, err)
	}
	return b, err
}

// Header returns the header of block number, and its hash. The header has that number.
func (f *File) Header(number uint64) (*types.Header, common.Hash, error) {
	b, err := f.Read(chain.Header, number)
	if err != nil {
		return nil, common.Hash{}, err
	}
	h := new(types.Header)
	if err := rlp.DecodeBytes(b, h); err != nil {
		return nil, common.Hash{}, fmt.Errorf("%s: header of block %d: %w", f.path, number, err)
	}
	if !h.Number.IsUint64() || h.Number.Uint64() != number {
		return nil, common.Hash{}, fmt.Errorf("%s: header of block %d: has number %v", f.path, number, h.Number)
	}
	return h, crypto.Keccak256Hash(b), nil
}

// Walk checks the file and calls visit with each block's header and its hash, in the order of their
// numbers. It reads all headers and total difficulties, and of the other parts only where they are:
// compare their roots to be sure of them. The first header's parent is the caller's to compare.
// Walk returns visit's error, or one that names the file and what is wrong in it.
func (f *File) Walk(visit func(hash common.Hash, h *types.Header) error) error {
	if err := f.format.structure(); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	first, count := f.format.span()
	var parent common.Hash
	var total *big.Int
	for n := first; n-first < count; n++ {
		h, hash, err := f.Header(n)
		if err != nil {
			return err
		}
		if n > first && h.ParentHash != parent {
			return fmt.Errorf("%s: header of block %d: parent %v, want %v", f.path, n, h.ParentHash, parent)
		}
		parent = hash
		if total, err = f.checkDifficulty(h, total); err != nil {
			return err
		}
		if err := visit(parent, h); err != nil {
			return err
		}
	}
	return nil
}

// checkDifficulty compares a block's total difficulty, if the file has it, with that of the block
// before. It returns the block's.
func (f *File) checkDifficulty(h *types.Header, before *big.Int) (*big.Int, error) {
	if !f.Has(chain.Difficulty) {
		return nil, nil
	}
	n := h.Number.Uint64()
	total, err := f.TotalDifficulty(n)
	if err != nil {
		return nil, err
	}
	switch {
	case before == nil && n == 0:
		before = new(big.Int)
	case before == nil: // the first: less than its own cannot be
		before = new(big.Int).Sub(total, h.Difficulty)
	}
	if want := new(big.Int).Add(before, h.Difficulty); before.Sign() < 0 || want.Cmp(total) != 0 {
		return nil, fmt.Errorf("%s: total difficulty of block %d: %v, want %v", f.path, n, total, want)
	}
	return total, nil
}

// TotalDifficulty returns the chain's total difficulty with block number.
func (f *File) TotalDifficulty(number uint64) (*big.Int, error) {
	b, err := f.Read(chain.Difficulty, number)
	if err != nil {
		return nil, err
	}
	slices.Reverse(b)
	return new(big.Int).SetBytes(b), nil
}

// difficulty reads the entry of a total difficulty.
func (e entries) difficulty(off int64) ([]byte, error) {
	b, _, err := e.read(off, typeDifficulty)
	if err == nil && len(b) != 32 {
		err = fmt.Errorf("entry at %d: a total difficulty of %d bytes, want 32", off, len(b))
	}
	return bytes.Clone(b), err
}

// checkVersion returns an error if the file does not begin as an e2store file does.
func (e entries) checkVersion() error {
	typ, length, err := e.head(0)
	if err == nil && (typ != typeVersion || length != 0) {
		err = fmt.Errorf("the file begins with an entry of type 0x%02x and %d bytes, not with a version", typ, length)
	}
	return err
}

// checkSpan returns an error if block numbers overflow, or a count is not possible.
func checkSpan(first, count uint64) error {
	if count == 0 || count > maxBlocks {
		return fmt.Errorf("%d blocks, want 1 to %d", count, maxBlocks)
	}
	if first >= maxNumber || first+count > maxNumber {
		return fmt.Errorf("%d blocks from number %d", count, first)
	}
	return nil
}

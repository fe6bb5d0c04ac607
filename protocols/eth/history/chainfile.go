package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

const (
	// maxChain is the number of blocks of a chain.rlp: it has no index, and each block costs 8
	// bytes of memory.
	maxChain = 1 << 22
	// payloads is the name of the file with the block access lists of a chain.rlp beside it.
	payloads = "newpayload.json"
	// maxPayloads is the size of that file in bytes. It is read whole.
	maxPayloads = 256 << 20
)

// chainFile is a chain.rlp: encoded blocks one after the other, as 'geth export' writes them.
type chainFile struct {
	r       io.ReaderAt
	first   uint64
	offsets []int64           // of each block, and the end
	lists   map[uint64][]byte // block access lists by number
}

func openChain(r io.ReaderAt, size int64, dir string) (*chainFile, error) {
	f := &chainFile{r: r}
	if err := f.scan(size); err != nil {
		return nil, err
	}
	header, err := f.read(chain.Header, 0)
	if err != nil {
		return nil, err
	}
	var h types.Header
	if err := rlp.DecodeBytes(header, &h); err != nil {
		return nil, fmt.Errorf("first header: %w", err)
	}
	f.first = h.Number.Uint64()
	if !h.Number.IsUint64() || f.first+uint64(len(f.offsets)) < f.first {
		return nil, fmt.Errorf("first header: number %d", h.Number)
	}
	return f, f.readPayloads(filepath.Join(dir, payloads))
}

// scan finds the blocks' offsets.
func (f *chainFile) scan(size int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(f.r, 0, size), 64<<10)
	for off := int64(0); off < size; {
		if len(f.offsets) == maxChain {
			return fmt.Errorf("more than %d blocks", maxChain)
		}
		head, err := in.Peek(int(min(9, size-off)))
		if err != nil {
			return fmt.Errorf("block at %d: %w", off, noEOF(err))
		}
		length, err := listLength(head)
		if err != nil || length > maxPart || length > size-off {
			return fmt.Errorf("block at %d: no list that ends within the file", off)
		}
		f.offsets = append(f.offsets, off)
		if _, err := in.Discard(int(length)); err != nil {
			return fmt.Errorf("block at %d: %w", off, noEOF(err))
		}
		off += length
	}
	if len(f.offsets) == 0 {
		return errors.New("no blocks")
	}
	f.offsets = append(f.offsets, size)
	return nil
}

// listLength returns the length of an encoded list by its first bytes, at most nine.
func listLength(head []byte) (int64, error) {
	switch first := head[0]; {
	case first < 0xc0:
		return 0, errors.New("no list")
	case first <= 0xf7:
		return 1 + int64(first-0xc0), nil
	default:
		n := int(first - 0xf7)
		if len(head) < 1+n {
			return 0, io.ErrUnexpectedEOF
		}
		var length int64
		for _, b := range head[1 : 1+n] {
			if length > maxPart {
				return 0, errTooLarge
			}
			length = length<<8 | int64(b)
		}
		return 1 + int64(n) + length, nil
	}
}

func (f *chainFile) span() (first, count uint64) { return f.first, uint64(len(f.offsets) - 1) }

func (f *chainFile) has(p chain.Part) bool {
	return p == chain.Header || p == chain.Body || p == chain.AccessList && f.lists != nil
}

func (f *chainFile) read(p chain.Part, i uint64) ([]byte, error) {
	if p == chain.AccessList {
		list, ok := f.lists[f.first+i]
		if !ok {
			return nil, chain.ErrAbsent
		}
		return list, nil
	}
	if p == chain.Header {
		return f.readHeader(f.offsets[i], f.offsets[i+1])
	}
	block := make([]byte, f.offsets[i+1]-f.offsets[i])
	if _, err := f.r.ReadAt(block, f.offsets[i]); err != nil {
		return nil, noEOF(err)
	}
	_, body, err := chain.SplitBlock(block)
	return body, err
}

// readHeader reads the header of the block that lies between two offsets, and as little else as it can.
func (f *chainFile) readHeader(from, to int64) ([]byte, error) {
	first := make([]byte, min(guess, to-from))
	if _, err := f.r.ReadAt(first, from); err != nil {
		return nil, noEOF(err)
	}
	at := int64(1) // of the header, after the head of the block's list
	if first[0] > 0xf7 {
		at += int64(first[0] - 0xf7)
	}
	if first[0] < 0xc0 || at >= int64(len(first)) {
		return nil, errors.New("a block is no list with a header")
	}
	length, err := listLength(first[at:min(at+9, int64(len(first)))])
	switch {
	case err != nil:
		return nil, fmt.Errorf("header: %w", err)
	case length > to-from-at:
		return nil, fmt.Errorf("header: %d bytes in a block of %d", length, to-from)
	}
	header := make([]byte, length)
	if n := copy(header, first[at:]); n < len(header) {
		if _, err := f.r.ReadAt(header[n:], from+int64(len(first))); err != nil {
			return nil, noEOF(err)
		}
	}
	return header, nil
}

// structure has nothing to check: the offsets are our own.
func (f *chainFile) structure() error { return nil }

func (f *chainFile) accumulator() (root []byte, ok bool, err error) { return nil, false, nil }

// payload is what the file of payloads has of a block that is of use here: its number and its
// block access list (EIP-7928).
type payload struct {
	Params []json.RawMessage `json:"params"`
}

// readPayloads reads the block access lists of the file at path, if there is one. Lists without a
// block here are left out.
func (f *chainFile) readPayloads(path string) error {
	in, info, err := chain.OpenRegular(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if info.Size() > maxPayloads {
		return fmt.Errorf("%s: %d bytes, more than %d", path, info.Size(), maxPayloads)
	}
	var all []payload
	if err := json.NewDecoder(io.LimitReader(in, maxPayloads)).Decode(&all); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.lists = map[uint64][]byte{}
	_, count := f.span()
	for i, p := range all {
		var block struct {
			Number hexutil.Uint64 `json:"blockNumber"`
			List   hexutil.Bytes  `json:"blockAccessList"`
		}
		if len(p.Params) == 0 {
			continue
		}
		if err := json.Unmarshal(p.Params[0], &block); err != nil {
			return fmt.Errorf("%s: payload %d: %w", path, i, err)
		}
		if n := uint64(block.Number); len(block.List) != 0 && n >= f.first && n-f.first < count {
			f.lists[n] = block.List
		}
	}
	return f.checkLists(path)
}

// checkLists leaves out no list silently: one that its header does not have is an error.
func (f *chainFile) checkLists(path string) error {
	for n, list := range f.lists {
		b, err := f.read(chain.Header, n-f.first)
		if err != nil {
			return err
		}
		var h types.Header
		if err := rlp.DecodeBytes(b, &h); err != nil {
			return fmt.Errorf("header %d: %w", n, err)
		}
		if h.BlockAccessListHash == nil || *h.BlockAccessListHash != crypto.Keccak256Hash(list) {
			return fmt.Errorf("%s: the block access list of block %d is not that of its header", path, n)
		}
	}
	return nil
}

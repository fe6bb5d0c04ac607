package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// EpochSize is the number of blocks in an epoch: a file has the blocks of one, or fewer.
const EpochSize = maxBlocks

// Source gives the parts of the blocks that are written to a file. A [File] is one.
type Source interface {
	// Read returns a part of block number as RLP. It is called once for each header, then once for
	// each body, then once for each block's receipts, in the order of the numbers.
	Read(p chain.Part, number uint64) ([]byte, error)
}

// Blocks says which blocks WriteEre writes.
type Blocks struct {
	First, Count uint64
	// Before is the total difficulty with the block before First. It is needed if First is before
	// the Merge, and is not 0.
	Before *big.Int
	// NoReceipts leaves out the receipts.
	NoReceipts bool
}

// ErrNoDifficulty says that the total difficulty of blocks before the Merge is not known.
var ErrNoDifficulty = errors.New("the total difficulty before the first block is not known")

// WriteEre writes an .ere file with some blocks, at most EpochSize, to w, and returns the hash of
// the last one. Proofs are not written. The same blocks give the same bytes as go-ethereum's export.
// Each header must have the one before it as its parent, and each body and all receipts the roots
// of their header: otherwise the error names the block and what differs, and what was written to w is
// of no use. Memory is for one part of one block at a time, and some 400 bytes a block.
func WriteEre(w io.Writer, src Source, blocks Blocks) (last common.Hash, err error) {
	if err := checkSpan(blocks.First, blocks.Count); err != nil {
		return last, err
	}
	b := &builder{w: w, src: src, Blocks: blocks, roots: make([]roots, 0, blocks.Count)}
	b.packer = snappy.NewBufferedWriter(&b.packed)
	err = b.write()
	return b.last, err
}

// builder writes one .ere file.
type builder struct {
	Blocks
	src     Source
	w       io.Writer
	written int64
	packed  bytes.Buffer
	packer  *snappy.Writer

	last    common.Hash
	roots   []roots
	totals  []byte // 32 bytes for each block, if there are total difficulties
	total   *big.Int
	merged  bool // the last block is after the Merge
	acc     accumulator
	offsets [4][]int64 // by column of the index
}

// roots are the fields of a header by which the other parts are checked.
type roots struct {
	transactions, uncles, receipts common.Hash
	withdrawals                    *common.Hash
}

func rootsOf(h *types.Header) roots {
	return roots{transactions: h.TxHash, uncles: h.UncleHash, receipts: h.ReceiptHash, withdrawals: h.WithdrawalsHash}
}

// header returns a header with these roots, and no other field.
func (r *roots) header() *types.Header {
	return &types.Header{TxHash: r.transactions, UncleHash: r.uncles, ReceiptHash: r.receipts, WithdrawalsHash: r.withdrawals}
}

func (b *builder) write() error {
	if err := b.entry(typeVersion, nil); err != nil {
		return err
	}
	for n := b.First; n-b.First < b.Count; n++ {
		if err := b.header(n); err != nil {
			return fmt.Errorf("header of block %d: %w", n, err)
		}
	}
	if err := b.parts(chain.Body, 1); err != nil {
		return err
	}
	if !b.NoReceipts {
		if err := b.parts(chain.Receipts, 2); err != nil {
			return err
		}
	}
	for rest := b.totals; len(rest) > 0; rest = rest[32:] {
		b.offsets[3] = append(b.offsets[3], b.written)
		if err := b.entry(typeDifficulty, rest[:32]); err != nil {
			return err
		}
	}
	if len(b.totals) > 0 {
		root := b.acc.root()
		if err := b.entry(typeAccumulator, root[:]); err != nil {
			return err
		}
	}
	return b.index()
}

func (b *builder) header(n uint64) error {
	encoded, err := b.src.Read(chain.Header, n)
	if err != nil {
		return err
	}
	h := new(types.Header)
	if err := rlp.DecodeBytes(encoded, h); err != nil {
		return err
	}
	switch {
	case !h.Number.IsUint64() || h.Number.Uint64() != n:
		return fmt.Errorf("has number %v", h.Number)
	case n > b.First && h.ParentHash != b.last:
		return fmt.Errorf("parent %v, want %v", h.ParentHash, b.last)
	}
	b.last = crypto.Keccak256Hash(encoded)
	if err := b.difficulty(h); err != nil {
		return err
	}
	b.roots = append(b.roots, rootsOf(h))
	return b.pack(0, typeHeader, encoded)
}

// difficulty notes the total difficulty with a block. A file that begins after the Merge has none; in
// one that begins before, the blocks after the Merge have the last one.
func (b *builder) difficulty(h *types.Header) error {
	first := len(b.roots) == 0
	if h.Difficulty.Sign() == 0 {
		b.merged = true
		if first {
			return nil
		}
	} else if b.merged {
		return fmt.Errorf("difficulty %v after blocks without", h.Difficulty)
	}
	switch {
	case first && h.Number.Sign() == 0:
		b.total = new(big.Int)
	case first && b.Before == nil:
		return ErrNoDifficulty
	case first:
		b.total = new(big.Int).Set(b.Before)
	case b.total == nil:
		return nil
	}
	if b.total.Add(b.total, h.Difficulty); b.total.BitLen() > 256 {
		return errors.New("the total difficulty has more than 256 bits")
	}
	le := difficultyBytes(b.total)
	b.totals = append(b.totals, le[:]...)
	if b.merged {
		return nil
	}
	return b.acc.add(b.last, b.total)
}

// parts writes a part of all blocks.
func (b *builder) parts(p chain.Part, column int) error {
	for i := range b.Count {
		n := b.First + i
		content, err := b.src.Read(p, n)
		if err == nil {
			err = checkPart(p, content, b.roots[i].header())
		}
		if err == nil {
			err = b.pack(column, ereTypes[p], content)
		}
		if err != nil {
			return fmt.Errorf("%s of block %d: %w", p, n, err)
		}
	}
	return nil
}

// pack writes a compressed entry.
func (b *builder) pack(column int, typ uint16, content []byte) error {
	b.offsets[column] = append(b.offsets[column], b.written)
	b.packed.Reset()
	b.packer.Reset(&b.packed)
	if _, err := b.packer.Write(content); err != nil {
		return err
	}
	if err := b.packer.Flush(); err != nil {
		return err
	}
	return b.entry(typ, b.packed.Bytes())
}

func (b *builder) entry(typ uint16, content []byte) error {
	if len(content) > maxPart {
		return fmt.Errorf("%d bytes, more than %d", len(content), maxPart)
	}
	var head [entryHead]byte
	binary.LittleEndian.PutUint16(head[:], typ)
	binary.LittleEndian.PutUint32(head[2:], uint32(len(content)))
	if _, err := b.w.Write(head[:]); err != nil {
		return err
	}
	_, err := b.w.Write(content)
	b.written += int64(entryHead + len(content))
	return err
}

// index writes the index: first number, offsets relative to the index, number of columns, number
// of blocks.
func (b *builder) index() error {
	words := []uint64{b.First}
	columns := uint64(0)
	for _, c := range b.offsets {
		if len(c) > 0 {
			columns++
		}
	}
	for i := range b.Count {
		for _, c := range b.offsets {
			if len(c) > 0 {
				words = append(words, uint64(c[i]-b.written))
			}
		}
	}
	content := make([]byte, 0, 8*(len(words)+2))
	for _, w := range append(words, columns, b.Count) {
		content = binary.LittleEndian.AppendUint64(content, w)
	}
	return b.entry(typeDynamicIndex, content)
}

package announce

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	// Masked is the first version of eth whose announcements have a mask (EIP-8070).
	Masked = 72
	// MaxHashes is the number of transactions that a message of this node announces. It makes about
	// 100 KiB of hashes, as in go-ethereum.
	MaxHashes = 3072
	// hashItem is the size of an encoded hash in bytes.
	hashItem = 1 + common.HashLength
)

// Tx announces a transaction.
type Tx struct {
	Hash common.Hash
	Type byte
	// Size is the number of bytes that an answer to GetPooledTransactions has for the transaction on
	// the version of the link, without the header of a string around a typed one. In eth/72 it does
	// not count blobs.
	Size uint32
}

// Message is an announcement of a remote. It aliases the bytes that it was parsed from.
type Message struct {
	// Mask has the columns of cells that the remote has of all type-3 transactions in the message:
	// column i is bit i%8 of byte i/8. It is zero before eth/72.
	Mask types.CustodyBitmap

	types  []byte
	sizes  []byte // encoded integers
	hashes []byte // encoded strings of 32 bytes
}

// ErrMessage says that a message is no announcement.
var ErrMessage = errors.New("announcement")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMessage}, args...)...)
}

// Parse checks the payload of a message. All errors are breaches of the protocol. It allocates
// nothing, whatever the remote has sent.
func Parse(version uint, payload []byte) (m Message, err error) {
	content, after, err := rlp.SplitList(payload)
	if err != nil || len(after) != 0 {
		return m, malformed("not one list")
	}
	var rest []byte
	if m.types, rest, err = rlp.SplitString(content); err != nil {
		return m, malformed("types: %w", err)
	}
	if m.sizes, rest, err = rlp.SplitList(rest); err != nil {
		return m, malformed("sizes: %w", err)
	}
	if m.hashes, rest, err = rlp.SplitList(rest); err != nil {
		return m, malformed("hashes: %w", err)
	}
	if version >= Masked {
		var mask []byte
		if mask, rest, err = rlp.SplitString(rest); err != nil || len(mask) != len(m.Mask) {
			return m, malformed("mask: want %d bytes", len(m.Mask))
		}
		copy(m.Mask[:], mask)
	}
	if len(rest) != 0 {
		return m, malformed("%d bytes after the last field", len(rest))
	}
	return m, m.checkLists()
}

// checkLists checks the items of sizes and hashes, and that there are as many as types.
func (m *Message) checkLists() error {
	sizes := 0
	for rest := m.sizes; len(rest) > 0; sizes++ {
		size, after, err := rlp.SplitUint64(rest)
		if err != nil {
			return malformed("size %d: %w", sizes, err)
		}
		if size > math.MaxUint32 {
			return malformed("size %d: %d bytes", sizes, size)
		}
		rest = after
	}
	if len(m.hashes)%hashItem != 0 {
		return malformed("%d bytes of hashes", len(m.hashes))
	}
	for i := 0; i < len(m.hashes); i += hashItem {
		if m.hashes[i] != 0x80+common.HashLength {
			return malformed("hash %d: not %d bytes", i/hashItem, common.HashLength)
		}
	}
	if sizes != len(m.types) || len(m.hashes)/hashItem != len(m.types) {
		return malformed("%d types, %d sizes, %d hashes", len(m.types), sizes, len(m.hashes)/hashItem)
	}
	return nil
}

// Len returns the number of transactions.
func (m *Message) Len() int { return len(m.types) }

// All returns the transactions in the order of the message. A hash may come more than once.
func (m *Message) All() iter.Seq[Tx] {
	return func(yield func(Tx) bool) {
		sizes := m.sizes
		for i, typ := range m.types {
			size, after, _ := rlp.SplitUint64(sizes) // Parse has checked it
			sizes = after
			hash := common.Hash(m.hashes[i*hashItem+1 : (i+1)*hashItem])
			if !yield(Tx{Hash: hash, Type: typ, Size: uint32(size)}) {
				return
			}
		}
	}
}

// Encode returns the payload of a message. The mask is used from eth/72 on, where it is part of each
// message, also of one without type-3 transactions.
func Encode(version uint, txs []Tx, mask types.CustodyBitmap) []byte {
	w := rlp.NewEncoderBuffer(nil)
	message := w.List()
	kinds := make([]byte, len(txs))
	for i, tx := range txs {
		kinds[i] = tx.Type
	}
	w.WriteBytes(kinds)
	list := w.List()
	for _, tx := range txs {
		w.WriteUint64(uint64(tx.Size))
	}
	w.ListEnd(list)
	list = w.List()
	for i := range txs {
		w.WriteBytes(txs[i].Hash[:])
	}
	w.ListEnd(list)
	if version >= Masked {
		w.WriteBytes(mask[:])
	}
	w.ListEnd(message)
	payload := w.ToBytes()
	_ = w.Flush() // without a destination it only gives the buffer back
	return payload
}

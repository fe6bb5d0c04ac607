package txfetch

import (
	"errors"
	"fmt"
	"iter"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// MaxPushed is the number of transactions in a message Transactions beyond which go-ethereum v1.17.10
// ends the link.
const MaxPushed = 5000

// ErrMessage says that a message is no list of transactions. All such errors are breaches of the
// protocol; a transaction that is not valid makes none.
var ErrMessage = errors.New("transactions")

// Decode decodes a list of transactions that a remote has sent, of which it may have so many, in
// batches. The number is checked before anything is decoded, and what is larger than any valid
// transaction without blobs is passed over, so that a message costs little more memory than its bytes
// and one batch. It hashes nothing, and takes some microseconds for a transaction. An error ends it.
func Decode(list []byte, limit, batch int) iter.Seq2[[]*types.Transaction, error] {
	return func(yield func([]*types.Transaction, error) bool) {
		content, count, err := open(list, limit)
		if err != nil {
			yield(nil, err)
			return
		}
		var txs []*types.Transaction
		for i := range count {
			var tx *types.Transaction
			if tx, content, err = next(content); err != nil {
				yield(nil, fmt.Errorf("%w: number %d: %w", ErrMessage, i, err))
				return
			}
			if tx != nil {
				txs = append(txs, tx)
			}
			if len(txs) == batch || i == count-1 && len(txs) > 0 {
				if !yield(txs, nil) {
					return
				}
				txs = nil
			}
		}
	}
}

// open returns the items of a list, and their number.
func open(list []byte, limit int) (content []byte, count int, err error) {
	content, after, err := rlp.SplitList(list)
	if err != nil || len(after) != 0 {
		return nil, 0, fmt.Errorf("%w: not one list", ErrMessage)
	}
	if count, err = rlp.CountValues(content); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if count > limit {
		return nil, 0, fmt.Errorf("%w: %d, want at most %d", ErrMessage, count, limit)
	}
	return content, count, nil
}

// next decodes the first of some items. It returns nil for one that is too large.
func next(content []byte) (tx *types.Transaction, rest []byte, err error) {
	kind, inner, rest, err := rlp.Split(content)
	if err != nil {
		return nil, nil, err
	}
	item := content[:len(content)-len(rest)]
	if blob := kind != rlp.List && len(inner) > 0 && inner[0] == types.BlobTxType; !blob && len(item) > maxSize+itemHead {
		return nil, rest, nil
	}
	tx = new(types.Transaction)
	return tx, rest, rlp.DecodeBytes(item, tx)
}

// itemHead is the size of the header of the largest item in bytes.
const itemHead = 4

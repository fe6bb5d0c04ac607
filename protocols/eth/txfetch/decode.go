package txfetch

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// MaxPushed is the number of transactions in a message Transactions beyond which go-ethereum v1.17.10
// ends the link.
const MaxPushed = 5000

// ErrMessage says that a message is no list of transactions. All such errors are breaches of the
// protocol; a transaction that is not valid makes none.
var ErrMessage = errors.New("transactions")

// Decode decodes a list of transactions that a remote has sent, of which it may have so many. The
// number is checked before anything is decoded, and what is larger than any valid transaction without
// blobs is passed over, so that a message costs little more memory than its bytes. It hashes
// nothing, and takes some microseconds for a transaction.
func Decode(list []byte, limit int) ([]*types.Transaction, error) {
	content, after, err := rlp.SplitList(list)
	if err != nil || len(after) != 0 {
		return nil, fmt.Errorf("%w: not one list", ErrMessage)
	}
	count, err := rlp.CountValues(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if count > limit {
		return nil, fmt.Errorf("%w: %d, want at most %d", ErrMessage, count, limit)
	}
	txs := make([]*types.Transaction, 0, count)
	for i := range count {
		kind, inner, rest, err := rlp.Split(content)
		if err != nil {
			return nil, fmt.Errorf("%w: number %d: %w", ErrMessage, i, err)
		}
		item := content[:len(content)-len(rest)]
		content = rest
		if blob := kind != rlp.List && len(inner) > 0 && inner[0] == types.BlobTxType; !blob && len(item) > maxSize+itemHead {
			continue
		}
		tx := new(types.Transaction)
		if err := rlp.DecodeBytes(item, tx); err != nil {
			return nil, fmt.Errorf("%w: number %d: %w", ErrMessage, i, err)
		}
		txs = append(txs, tx)
	}
	return txs, nil
}

// itemHead is the size of the header of the largest item in bytes.
const itemHead = 4

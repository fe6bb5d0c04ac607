package chain

import (
	"bytes"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// The sizes in bytes of the smallest items of lists. A list with more items than its bytes allow
// is refused before there is memory for them.
const (
	minTransaction = 1 + 9      // an empty field each
	minWithdrawal  = 1 + 3 + 21 // with an address
	minReceipt     = 1 + 4
)

// rawList has the items of a list as the trie's hasher wants them. It costs four bytes an item.
type rawList struct {
	list   []byte
	starts []uint32 // of each item in list, and the end
	unwrap bool     // an item that is a string stands for its content, as typed transactions do
}

// newRawList finds the items of an encoded list, each of which has at least size bytes. With unwrap
// it refuses what would not change the root: an empty string, which the trie leaves out, and a list
// with a string around it, which no client can decode.
func newRawList(list []byte, unwrap bool, size int) (l rawList, err error) {
	content, after, err := rlp.SplitList(list)
	if err != nil {
		return l, err
	}
	if len(after) != 0 || len(list) > math.MaxUint32 {
		return l, fmt.Errorf("%d bytes after a list of %d", len(after), len(list)-len(after))
	}
	count, err := rlp.CountValues(content)
	if err != nil {
		return l, err
	}
	if count > len(content)/size {
		return l, fmt.Errorf("%d items in %d bytes", count, len(content))
	}
	l = rawList{list: list, starts: make([]uint32, 0, count+1), unwrap: unwrap}
	at := len(list) - len(content)
	for len(content) > 0 {
		kind, item, rest, err := rlp.Split(content)
		if err == nil && unwrap && kind != rlp.List && (len(item) < 2 || item[0] > maxType) {
			err = fmt.Errorf("item %d is neither a list nor a type and a transaction", len(l.starts))
		}
		if err != nil {
			return l, err
		}
		l.starts = append(l.starts, uint32(at))
		at += len(content) - len(rest)
		content = rest
	}
	l.starts = append(l.starts, uint32(at))
	return l, nil
}

func (l rawList) Len() int { return len(l.starts) - 1 }

// item returns an item, without the string around it if the list unwraps strings.
func (l rawList) item(i int) []byte {
	item := l.list[l.starts[i]:l.starts[i+1]]
	if !l.unwrap {
		return item
	}
	if kind, content, _, err := rlp.Split(item); err == nil && kind != rlp.List {
		return content
	}
	return item
}

func (l rawList) EncodeIndex(i int, out *bytes.Buffer) { out.Write(l.item(i)) }

// rootOf computes the root of a list.
func rootOf(list []byte, unwrap bool, size int) (common.Hash, error) {
	l, err := newRawList(list, unwrap, size)
	if err != nil {
		return common.Hash{}, err
	}
	return types.DeriveSha(l, trie.NewStackTrie(nil)), nil
}

package chain

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// BodyRoots are the fields of a header that its body determines.
type BodyRoots struct {
	Transactions common.Hash
	Uncles       common.Hash
	Withdrawals  *common.Hash // nil where the body has no withdrawals
}

// rawList are the items of a list. Typed transactions lose the string around them, as the
// transactions root wants it.
type rawList [][]byte

func (l rawList) Len() int                             { return len(l) }
func (l rawList) EncodeIndex(i int, out *bytes.Buffer) { out.Write(l[i]) }

func transactionItems(list []byte) (items rawList, err error) {
	err = eachItem(list, func(item []byte) error {
		kind, content, _, err := rlp.Split(item)
		if err != nil {
			return err
		}
		if kind != rlp.List {
			item = content
		}
		items = append(items, item)
		return nil
	})
	return items, err
}

// RootsOf computes the roots of a body, [transactions, uncles, withdrawals?]. The items are not
// decoded.
func RootsOf(body []byte) (r BodyRoots, err error) {
	lists, err := bodyLists(body)
	if err != nil {
		return r, fmt.Errorf("body: %w", err)
	}
	txs, err := transactionItems(lists[0])
	if err != nil {
		return r, fmt.Errorf("transactions: %w", err)
	}
	hasher := trie.NewStackTrie(nil)
	r.Transactions = types.DeriveSha(txs, hasher)
	r.Uncles = crypto.Keccak256Hash(lists[1])
	if len(lists) < 3 {
		return r, nil
	}
	var withdrawals rawList
	err = eachItem(lists[2], func(item []byte) error {
		withdrawals = append(withdrawals, item)
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("withdrawals: %w", err)
	}
	root := types.DeriveSha(withdrawals, hasher)
	r.Withdrawals = &root
	return r, nil
}

// bodyLists returns the two or three lists of a body.
func bodyLists(body []byte) (lists [][]byte, err error) {
	err = eachItem(body, func(item []byte) error {
		if kind, _, _, err := rlp.Split(item); err != nil || kind != rlp.List {
			return errors.New("not a list")
		}
		lists = append(lists, item)
		return nil
	})
	if err == nil && (len(lists) < 2 || len(lists) > 3) {
		err = fmt.Errorf("%d lists, want two or three", len(lists))
	}
	return lists, err
}

// Check returns an error that names the field in which the body's roots differ from a header's.
func (r *BodyRoots) Check(h *types.Header) error {
	switch {
	case r.Transactions != h.TxHash:
		return fmt.Errorf("transactions root %v, want %v", r.Transactions, h.TxHash)
	case r.Uncles != h.UncleHash:
		return fmt.Errorf("uncle hash %v, want %v", r.Uncles, h.UncleHash)
	case (r.Withdrawals == nil) != (h.WithdrawalsHash == nil):
		return fmt.Errorf("withdrawals root %v, want %v", r.Withdrawals, h.WithdrawalsHash)
	case r.Withdrawals != nil && *r.Withdrawals != *h.WithdrawalsHash:
		return fmt.Errorf("withdrawals root %v, want %v", r.Withdrawals, h.WithdrawalsHash)
	}
	return nil
}

// SplitBlock cuts an encoded block, [header, transactions, uncles, withdrawals?], into header and
// body.
func SplitBlock(block []byte) (header, body []byte, err error) {
	content, after, err := rlp.SplitList(block)
	if err != nil || len(after) != 0 {
		return nil, nil, errors.New("a block is no list")
	}
	_, _, rest, err := rlp.Split(content)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	header = content[:len(content)-len(rest)]
	var out bytes.Buffer
	w := rlp.NewEncoderBuffer(&out)
	l := w.List()
	w.Write(rest)
	w.ListEnd(l)
	if err := w.Flush(); err != nil {
		return nil, nil, err
	}
	_, err = bodyLists(out.Bytes())
	return header, out.Bytes(), err
}

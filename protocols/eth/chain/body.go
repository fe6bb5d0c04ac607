package chain

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// BodyRoots are the fields of a header that its body determines.
type BodyRoots struct {
	Transactions common.Hash
	Uncles       common.Hash
	Withdrawals  *common.Hash // nil where the body has no withdrawals
}

// RootsOf computes the roots of a body, [transactions, uncles, withdrawals?]. The items are not
// decoded.
func RootsOf(body []byte) (r BodyRoots, err error) {
	lists, err := bodyLists(body)
	if err != nil {
		return r, fmt.Errorf("body: %w", err)
	}
	if r.Transactions, err = rootOf(lists[0], true, minTransaction); err != nil {
		return r, fmt.Errorf("transactions: %w", err)
	}
	r.Uncles = crypto.Keccak256Hash(lists[1])
	if len(lists) < 3 {
		return r, nil
	}
	root, err := rootOf(lists[2], false, minWithdrawal)
	if err != nil {
		return r, fmt.Errorf("withdrawals: %w", err)
	}
	r.Withdrawals = &root
	return r, nil
}

// CountTransactions returns how many items the first list of a body has. Nothing is decoded.
func CountTransactions(body []byte) (int, error) {
	lists, err := bodyLists(body)
	if err != nil {
		return 0, fmt.Errorf("body: %w", err)
	}
	content, _, err := rlp.SplitList(lists[0])
	if err != nil {
		return 0, fmt.Errorf("transactions: %w", err)
	}
	return rlp.CountValues(content)
}

// TransactionHashes returns the hashes of a body's transactions. Nothing is decoded.
func TransactionHashes(body []byte) ([]common.Hash, error) {
	lists, err := bodyLists(body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	l, err := newRawList(lists[0], true, minTransaction)
	if err != nil {
		return nil, fmt.Errorf("transactions: %w", err)
	}
	hashes := make([]common.Hash, l.Len())
	for i := range hashes {
		hashes[i] = crypto.Keccak256Hash(l.item(i))
	}
	return hashes, nil
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

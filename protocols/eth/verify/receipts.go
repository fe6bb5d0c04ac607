package verify

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Receipts69 checks the answer to a request for the receipts of blocks, whose headers are known,
// in the form of eth/69. Blooms are computed.
func Receipts69(headers []Header, list []byte) (Answer, error) {
	return receipts(headers, list, func(b []byte) (common.Hash, []byte, error) {
		root, err := chain.ReceiptsRoot(b)
		return root, b, err
	})
}

// Receipts68 is Receipts69 for the form of eth/68. Blooms are those that the answer has: with wrong
// ones the root is another. The parts have the form of eth/69.
func Receipts68(headers []Header, list []byte) (Answer, error) {
	return receipts(headers, list, func(b []byte) (common.Hash, []byte, error) {
		root, err := chain.ConsensusReceiptsRoot(b)
		if err != nil {
			return root, nil, err
		}
		slim, err := chain.SlimReceipts(b)
		return root, slim, err
	})
}

// read turns a block's receipts into the form of eth/69 and computes their root.
type read func(b []byte) (root common.Hash, slim []byte, err error)

func receipts(headers []Header, list []byte, read read) (Answer, error) {
	a := newAnswer(headers)
	encoded, wrong := split(list, len(headers))
	if wrong != nil {
		return a, wrong
	}
	items, wrong := receiptItems(encoded, mostTransactions(headers), read)
	if wrong == nil {
		_, wrong = a.fill(chain.Receipts, headers, 0, items)
	}
	if wrong != nil {
		return newAnswer(headers), wrong
	}
	return a, nil
}

// receiptItems reads the receipts of blocks, each with at most limit receipts.
func receiptItems(encoded [][]byte, limit uint64, read read) ([]item, *Error) {
	items := make([]item, 0, len(encoded))
	for i, b := range encoded {
		if wrong := checkReceiptCount(b, limit); wrong != nil {
			return nil, wrong.at(i, nil)
		}
		root, slim, err := read(b)
		if err != nil {
			return nil, (&Error{Field: FieldEncoding, Err: err}).at(i, nil)
		}
		items = append(items, item{slim, func(h *Header) *Error { return checkReceiptsRoot(root, h) }})
	}
	return items, nil
}

func checkReceiptsRoot(root common.Hash, h *Header) *Error {
	if root != h.Fields.ReceiptHash {
		return &Error{Field: FieldReceipts, Got: root, Want: h.Fields.ReceiptHash}
	}
	return nil
}

func checkReceiptCount(b []byte, limit uint64) *Error {
	content, _, err := rlp.SplitList(b)
	if err != nil {
		return &Error{Field: FieldEncoding, Err: err}
	}
	count, err := rlp.CountValues(content)
	if err != nil {
		return &Error{Field: FieldEncoding, Err: err}
	}
	if uint64(count) > limit {
		return &Error{Field: FieldReceiptCount, Got: count, Want: limit}
	}
	return nil
}

package verify

import (
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Bodies checks the answer to a request for the bodies of blocks, whose headers are known.
func Bodies(headers []Header, list []byte) (Answer, error) {
	a := newAnswer(headers)
	encoded, wrong := split(list, len(headers))
	if wrong != nil {
		return a, wrong
	}
	limit := mostTransactions(headers)
	items := make([]item, 0, len(encoded))
	for i, b := range encoded {
		count, err := chain.CountTransactions(b)
		if err != nil {
			return a, (&Error{Field: FieldEncoding, Err: err}).at(i, nil)
		}
		if uint64(count) > limit {
			return a, (&Error{Field: FieldTxCount, Got: count, Want: limit}).at(i, nil)
		}
		roots, err := chain.RootsOf(b)
		if err != nil {
			return a, (&Error{Field: FieldEncoding, Err: err}).at(i, nil)
		}
		items = append(items, item{b, func(h *Header) *Error { return checkBody(&roots, h) }})
	}
	if _, wrong := a.fill(chain.Body, headers, 0, items); wrong != nil {
		return newAnswer(headers), wrong
	}
	return a, nil
}

func checkBody(r *chain.BodyRoots, h *Header) *Error {
	f := h.Fields
	switch {
	case r.Transactions != f.TxHash:
		return &Error{Field: FieldTransactions, Got: r.Transactions, Want: f.TxHash}
	case r.Uncles != f.UncleHash:
		return &Error{Field: FieldUncles, Got: r.Uncles, Want: f.UncleHash}
	case r.Withdrawals == nil && f.WithdrawalsHash == nil:
		return nil
	case r.Withdrawals == nil:
		return &Error{Field: FieldWithdrawals, Got: "no withdrawals", Want: *f.WithdrawalsHash}
	case f.WithdrawalsHash == nil:
		return &Error{Field: FieldWithdrawals, Got: *r.Withdrawals, Want: "no withdrawals"}
	case *r.Withdrawals != *f.WithdrawalsHash:
		return &Error{Field: FieldWithdrawals, Got: *r.Withdrawals, Want: *f.WithdrawalsHash}
	}
	return nil
}

package eth

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// ErrNotThere says that the peer does not have what it was asked for.
var ErrNotThere = errors.New("the peer does not have it")

// Query asks one peer for one thing at a time, and checks the answers: a body, receipts and an access
// list against the block's header, which the caller has. An error is ErrNotThere, a *verify.Error, or
// one of protocols.Call. It is for goroutines outside actors.
type Query struct{ Link *protocols.Link }

// Header returns a header by number or hash. The peer decides which block has a number: that is not checked.
func (q Query) Header(ctx context.Context, origin serve.Origin) (h verify.Header, err error) {
	query := serve.HeadersQuery{Origin: origin, Amount: 1}
	a, err := protocols.Call[BlockHeaders](ctx, q.Link, &GetBlockHeaders{Query: query})
	if err != nil {
		return h, err
	}
	list, err := verify.Headers(query, a.Headers)
	if err != nil {
		return h, err
	}
	if len(list) == 0 {
		return h, fmt.Errorf("header: %w", ErrNotThere)
	}
	return list[0], nil
}

// Body returns the body of a block.
func (q Query) Body(ctx context.Context, h verify.Header) (*types.Body, error) {
	a, err := protocols.Call[BlockBodies](ctx, q.Link, &GetBlockBodies{Hashes: Hashes{h.Hash}})
	if err != nil {
		return nil, err
	}
	encoded, err := only(verify.Bodies([]verify.Header{h}, a.Bodies))
	if err != nil {
		return nil, err
	}
	body := new(types.Body)
	return body, rlp.DecodeBytes(encoded, body)
}

// Receipts returns the receipts of a block, with their blooms.
func (q Query) Receipts(ctx context.Context, h verify.Header) (types.Receipts, error) {
	f := fetched{}
	asked := []verify.Header{h}
	if q.Link.Version() >= eth70 {
		if err := f.receiptsInParts(ctx, q.Link, asked, func(any) {}); err != nil {
			return nil, err
		}
	} else {
		a, err := protocols.Call[Receipts](ctx, q.Link, &GetReceipts{Hashes: Hashes{h.Hash}})
		if err != nil {
			return nil, err
		}
		f.answer, f.err = receiptsOf(q.Link.Version(), asked, a.Receipts)
	}
	slim, err := only(f.answer, f.err)
	if err != nil {
		return nil, err
	}
	encoded, err := chain.ConsensusReceipts(slim)
	if err != nil {
		return nil, err
	}
	var receipts types.Receipts
	return receipts, rlp.DecodeBytes(encoded, &receipts)
}

// AccessList returns the block access list of a block (EIP-7928) as RLP. The peer must speak eth/71 or
// newer.
func (q Query) AccessList(ctx context.Context, h verify.Header) ([]byte, error) {
	if q.Link.Version() < eth71 {
		return nil, fmt.Errorf("block access lists need eth/71, the peer speaks eth/%d", q.Link.Version())
	}
	a, err := protocols.Call[BlockAccessLists](ctx, q.Link, &GetBlockAccessLists{Hashes: Hashes{h.Hash}})
	if err != nil {
		return nil, err
	}
	return only(verify.AccessLists([]verify.Header{h}, a.Lists))
}

// Transaction returns a transaction that the peer has in its pool.
func (q Query) Transaction(ctx context.Context, hash common.Hash) (*types.Transaction, error) {
	a, err := protocols.Call[PooledTransactions](ctx, q.Link, &GetPooledTransactions{Hashes: Hashes{hash}})
	if err != nil {
		return nil, err
	}
	var list []*types.Transaction
	switch err := rlp.DecodeBytes(a.Transactions, &list); {
	case err != nil:
		return nil, fmt.Errorf("transaction: %w", err)
	case len(list) == 0:
		return nil, fmt.Errorf("transaction: %w", ErrNotThere)
	case len(list) > 1 || list[0].Hash() != hash:
		return nil, fmt.Errorf("transaction: the peer sent %v, want %v", list[0].Hash(), hash)
	}
	return list[0], nil
}

// only returns the one part of an answer.
func only(a verify.Answer, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if len(a.Parts) != 1 || a.Parts[0].None() {
		return nil, ErrNotThere
	}
	return a.Parts[0].Encoded(), nil
}

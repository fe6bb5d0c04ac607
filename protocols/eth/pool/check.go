package pool

import (
	"context"
	"fmt"
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

const (
	// maxSize is the size of a transaction without blobs in bytes, as in go-ethereum.
	maxSize = 128 << 10
	// maxBlobSize is that of a blob transaction, without its blobs.
	maxBlobSize = 1 << 20
)

// minTip lets all transactions pass that pay anything: this node builds no blocks.
var minTip = big.NewInt(1)

// Rules decide which transactions are valid without regard to state.
type Rules struct {
	Config *params.ChainConfig
	// Blobs accepts type-3 transactions.
	Blobs bool
}

// Accepts reports whether transactions of a type are wanted.
func (r Rules) Accepts(kind byte) bool {
	return kind <= types.SetCodeTxType && r.accept()&(1<<kind) != 0
}

func (r Rules) accept() uint8 {
	accept := uint8(1<<types.LegacyTxType | 1<<types.AccessListTxType | 1<<types.DynamicFeeTxType | 1<<types.SetCodeTxType)
	if r.Blobs {
		accept |= 1 << types.BlobTxType
	}
	return accept
}

// Check returns the sender of a transaction, or why it is not valid. It recovers the public key from
// the signature, which takes some 0.1 ms. Number and time of head decide which forks count as
// passed: its time is the later of the head's and the clock's. A gas limit of zero is an unknown
// one, and none applies.
func (r Rules) Check(tx *types.Transaction, head *types.Header) (common.Address, error) {
	h := types.Header{Number: head.Number, Time: head.Time, GasLimit: head.GasLimit, Difficulty: new(big.Int)}
	if h.GasLimit == 0 {
		h.GasLimit = math.MaxUint64
	}
	size := uint64(maxSize)
	if tx.Type() == types.BlobTxType {
		size = maxBlobSize
	}
	signer := types.LatestSigner(r.Config)
	err := txpool.ValidateTransaction(tx, &h, signer, &txpool.ValidationOptions{
		Config: r.Config, Accept: r.accept(), MaxSize: size, MaxBlobCount: params.BlobTxMaxBlobs, MinTip: minTip,
	})
	if err != nil {
		return common.Address{}, err
	}
	sender, err := types.Sender(signer, tx) // the transaction remembers it
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", txpool.ErrInvalidSender, err)
	}
	return sender, nil
}

// Checker checks transactions for all callers, with a bound on how many are checked at once.
type Checker struct {
	rules Rules
	slots chan struct{}
}

// NewChecker returns a Checker that uses at most as many processors as workers says.
func NewChecker(rules Rules, workers int) *Checker {
	return &Checker{rules: rules, slots: make(chan struct{}, max(1, workers))}
}

// turn is the number of transactions after which a caller waits for its next turn, so that one that
// has thousands does not keep out another that has one.
const turn = 16

// Checked is what a Checker found.
type Checked struct {
	Sender common.Address
	Err    error
}

// Check checks transactions in the caller's goroutine, and returns a result for each. Those that it
// has not begun with when ctx ends have the context's error.
func (c *Checker) Check(ctx context.Context, head *types.Header, txs []*types.Transaction) []Checked {
	results := make([]Checked, len(txs))
	for from := 0; from < len(txs); from += turn {
		end := min(from+turn, len(txs))
		if err := c.turn(ctx, head, txs[from:end], results[from:end]); err != nil {
			for i := from; i < len(txs); i++ {
				results[i].Err = err
			}
			break
		}
	}
	return results
}

func (c *Checker) turn(ctx context.Context, head *types.Header, txs []*types.Transaction, results []Checked) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.slots <- struct{}{}: // waiting callers have their turns in order
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.slots }()
	for i, tx := range txs {
		results[i].Sender, results[i].Err = c.rules.Check(tx, head)
	}
	return nil
}

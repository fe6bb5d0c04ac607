package pool

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// entry is a transaction in the pool.
type entry struct {
	tx      *Tx
	seq     uint64 // order of arrival, from 1
	time    time.Time
	sender  *sender
	rank    int // place among the prices of its sender
	bytes   int
	network Network // that announced it first
	// confirmed says that another network, or a trusted peer, has announced it as well.
	confirmed bool
	queued    bool // in Pool.ready, or taken from it

	holder     *holder // nil: not held
	prev, next *entry  // held of the same holder, by age
}

// cheaper reports whether a pays less than b. Of two that pay alike, the newer one does.
func cheaper(a, b *entry) bool {
	if c := a.tx.feeCap.Cmp(&b.tx.feeCap); c != 0 {
		return c < 0
	}
	if c := a.tx.tip.Cmp(&b.tx.tip); c != 0 {
		return c < 0
	}
	return a.seq > b.seq
}

// sender has the transactions of an account.
type sender struct {
	addr   common.Address
	txs    []*entry       // by nonce
	prices ranked[*entry] // the cheapest first
	bytes  int
	rank   int // place among senders

	next    uint64 // no lower nonce can be included
	known   bool   // the state is: next is the account's nonce, and balance is valid
	balance uint256.Int
	spent   uint256.Int // wei that all transactions cost; valid if known
	pending int         // how many transactions, from nonce next on, have no gap; zero unless known
}

func newSender(addr common.Address) *sender {
	return &sender{addr: addr, rank: -1, prices: ranked[*entry]{before: cheaper, place: func(e *entry) *int { return &e.rank }}}
}

// find returns the place of a nonce among the transactions.
func (s *sender) find(nonce uint64) (i int, ok bool) {
	return slices.BinarySearchFunc(s.txs, nonce, func(e *entry, nonce uint64) int {
		switch {
		case e.tx.nonce < nonce:
			return -1
		case e.tx.nonce > nonce:
			return 1
		}
		return 0
	})
}

// admit returns why a transaction may not be added, and otherwise the one that it replaces, if any.
func (s *sender) admit(tx *Tx) (replaced *entry, err error) {
	if tx.nonce < s.next {
		return nil, fmt.Errorf("%w: nonce %d, next is %d", core.ErrNonceTooLow, tx.nonce, s.next)
	}
	if i, ok := s.find(tx.nonce); ok {
		replaced = s.txs[i]
	}
	if s.known {
		spent := s.spent
		if replaced != nil {
			spent.Sub(&spent, &replaced.tx.cost)
		}
		if _, overflow := spent.AddOverflow(&spent, &tx.cost); overflow || spent.Gt(&s.balance) {
			return nil, fmt.Errorf("%w: balance %v, transaction costs %v, pending ones %v", core.ErrInsufficientFunds, &s.balance, &tx.cost, &s.spent)
		}
	}
	if replaced != nil && !outbids(tx, replaced.tx) {
		return nil, fmt.Errorf("%w: nonce %d", txpool.ErrReplaceUnderpriced, tx.nonce)
	}
	return replaced, nil
}

// outbids reports whether a transaction pays enough to replace another with the same nonce: by
// go-ethereum's rule a tenth more, and twice as much if one of them has blobs.
func outbids(tx, old *Tx) bool {
	percent := uint64(110)
	if tx.kind == types.BlobTxType || old.kind == types.BlobTxType {
		percent = 200
	}
	enough := func(price, old *uint256.Int) bool {
		least, overflow := new(uint256.Int).MulDivOverflow(old, uint256.NewInt(percent), uint256.NewInt(100))
		return !overflow && price.Gt(old) && !price.Lt(least)
	}
	if tx.kind == types.BlobTxType && old.kind == types.BlobTxType && !enough(&tx.blobFeeCap, &old.blobFeeCap) {
		return false
	}
	return enough(&tx.feeCap, &old.feeCap) && enough(&tx.tip, &old.tip)
}

func (s *sender) insert(e *entry) {
	i, _ := s.find(e.tx.nonce)
	s.txs = slices.Insert(s.txs, i, e)
	s.prices.set(e)
	s.bytes += e.bytes
	if s.known {
		s.spent.Add(&s.spent, &e.tx.cost)
	}
}

func (s *sender) remove(e *entry) {
	i, _ := s.find(e.tx.nonce)
	s.txs = shrunk(slices.Delete(s.txs, i, i+1))
	s.prices.remove(e)
	s.bytes -= e.bytes
	s.pending = min(s.pending, i)
	if s.known {
		s.spent.Sub(&s.spent, &e.tx.cost)
	}
}

// extend counts pending transactions, and returns those that it has counted now.
func (s *sender) extend() []*entry {
	if !s.known {
		s.pending = 0
		return nil
	}
	from := s.pending
	for s.pending < len(s.txs) && s.txs[s.pending].tx.nonce == s.next+uint64(s.pending) {
		s.pending++
	}
	return s.txs[from:s.pending]
}

func (s *sender) last() *entry { return s.txs[len(s.txs)-1] }

func (s *sender) standing(e *entry) standing {
	return standing{known: s.known, gapped: e.tx.nonce >= s.next+uint64(s.pending), confirmed: e.confirmed}
}

// unfunded computes what the transactions cost, and returns those that the balance is not enough
// for, which are not counted.
func (s *sender) unfunded() (list []*entry) {
	s.spent.Clear()
	for _, e := range s.txs {
		spent, overflow := new(uint256.Int).AddOverflow(&s.spent, &e.tx.cost)
		if overflow || spent.Gt(&s.balance) {
			list = append(list, e)
		} else {
			s.spent = *spent
		}
	}
	return list
}

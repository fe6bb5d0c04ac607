package execution

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

const (
	// depth is how many blocks before the latest are asked for where it does not follow those known.
	depth = 32
	// remembered is how many of the last blocks are known.
	remembered = 64
)

// branch has the last headers of the node's chain, each the parent of the next. A branch is never
// changed.
type branch []verify.Header

// find returns the place of a block; -1: it is not there.
func (b branch) find(hash common.Hash) int {
	return slices.IndexFunc(b, func(h verify.Header) bool { return h.Hash == hash })
}

// missing returns which headers before the latest are needed to add it: those of the numbers from
// first on to the one before it. count is zero if it follows a block of the branch.
func (b branch) missing(latest *verify.Header) (first uint64, count int) {
	if b.find(latest.Hash) >= 0 || b.find(latest.Parent()) >= 0 {
		return 0, 0
	}
	count = int(min(latest.Number, depth))
	return latest.Number - uint64(count), count
}

// with returns the branch that ends with the latest header, and has of some headers before it, by
// number, those that lead to it without a gap. A node that goes back to a block before is followed.
func (b branch) with(latest verify.Header, before []verify.Header) branch {
	if i := b.find(latest.Hash); i >= 0 {
		return slices.Clip(b[:i+1])
	}
	run := branch{latest}
	for i := len(before) - 1; i >= 0; i-- {
		if h := &before[i]; h.Hash != run[0].Parent() || h.Number != run[0].Number-1 {
			break
		}
		run = slices.Insert(run, 0, before[i])
	}
	if i := b.find(run[0].Parent()); i >= 0 && b[i].Number == run[0].Number-1 {
		run = slices.Concat(b[:i+1], run)
	}
	return run[max(0, len(run)-remembered):]
}

// last returns the last header; nil: there is none.
func (b branch) last() *verify.Header {
	if len(b) == 0 {
		return nil
	}
	return &b[len(b)-1]
}

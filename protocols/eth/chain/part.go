package chain

import "errors"

// Part is a part of a block, as RLP.
type Part uint8

// The parts of a block.
const (
	Header     Part = iota
	Body            // [transactions, uncles, withdrawals?]
	Receipts        // in the form of eth/69, [[type, status or root, cumulative gas, logs]…]
	AccessList      // block access list (EIP-7928)
	// Difficulty is the total difficulty with this block: 32 bytes, little endian, as files have it.
	Difficulty
	Parts // their number
)

func (p Part) String() string {
	return [...]string{"header", "body", "receipts", "block access list", "total difficulty"}[p]
}

// ErrAbsent says that a source does not have a block, or a part of it.
var ErrAbsent = errors.New("block or part not available")

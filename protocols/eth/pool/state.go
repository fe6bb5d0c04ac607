package pool

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// State has the accounts of the chain's head. Its method may be called from any goroutine, and
// must not wait: a state that is asked over a network is asked before, and answers from memory.
type State interface {
	// Account returns nonce and balance in wei of an account. A state that does not have it returns
	// zero and zero if it knows that the account has nothing, and ok false if it does not know.
	Account(addr common.Address) (nonce uint64, balance uint256.Int, ok bool)
}

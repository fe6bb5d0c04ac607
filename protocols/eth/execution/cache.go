package execution

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/lru"
	"github.com/holiman/uint256"
)

const (
	// maxAccounts is how many accounts are remembered: those that were asked for last. Each takes
	// some 250 bytes.
	maxAccounts = 1 << 14
	// maxWanted is how many accounts may wait to be asked for.
	maxWanted = 1 << 12
	// recent is for how many blocks an account counts as known. While a newer answer is awaited, an
	// older one is better than none: what happens to most accounts in a few minutes is nothing.
	recent = 32
)

// account is what an account has at a block.
type account struct {
	nonce   uint64
	balance uint256.Int
	block   common.Hash
}

// cache has accounts, and those that are to be asked for.
type cache struct {
	known   lru.BasicLRU[common.Address, account]
	head    common.Hash              // zero: nothing can be asked
	blocks  map[common.Hash]struct{} // at which an account counts: the last ones, with head
	wanted  []common.Address         // in the order in which they came
	pending map[common.Address]bool  // wanted; true: being asked for
}

func newCache() cache {
	return cache{known: lru.NewBasicLRU[common.Address, account](maxAccounts), pending: map[common.Address]bool{}}
}

// setHead says what the branch is. Accounts at blocks that are not its last ones are not known any more.
// An empty branch says that nothing can be asked.
func (c *cache) setHead(b branch) {
	c.head, c.blocks = common.Hash{}, map[common.Hash]struct{}{}
	for i := max(0, len(b)-recent); i < len(b); i++ {
		c.head = b[i].Hash
		c.blocks[b[i].Hash] = struct{}{}
	}
	if len(b) == 0 {
		c.drop()
	}
}

// get returns an account, and wants it unless it is known at the head.
func (c *cache) get(addr common.Address) (a account, ok bool) {
	a, ok = c.known.Get(addr)
	if _, counts := c.blocks[a.block]; !counts {
		ok = false
	}
	if !ok || a.block != c.head {
		c.want(addr)
	}
	return a, ok
}

// want has an account asked for, if there is room for one more.
func (c *cache) want(addr common.Address) {
	if _, ok := c.pending[addr]; ok || c.head == (common.Hash{}) || len(c.pending) >= maxWanted {
		return
	}
	c.pending[addr] = false
	c.wanted = append(c.wanted, addr)
}

// next returns accounts to ask for now.
func (c *cache) next(limit int) []common.Address {
	list := c.wanted[:min(limit, len(c.wanted))]
	c.wanted = c.wanted[len(list):]
	for _, addr := range list {
		c.pending[addr] = true
	}
	return list
}

// done takes what is known of accounts that were asked for. Those that it does not have are unknown.
func (c *cache) done(asked []common.Address, found map[common.Address]account) {
	for _, addr := range asked {
		delete(c.pending, addr)
		if a, ok := found[addr]; ok {
			c.known.Add(addr, a)
		}
	}
}

// drop gives up what is wanted and not yet asked for.
func (c *cache) drop() {
	for _, addr := range c.wanted {
		delete(c.pending, addr)
	}
	c.wanted = nil
}

// waiting reports whether some of the accounts are wanted or being asked for.
func (c *cache) waiting(addrs []common.Address) bool {
	for _, addr := range addrs {
		if _, ok := c.pending[addr]; ok {
			return true
		}
	}
	return false
}

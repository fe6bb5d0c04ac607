package pool

import "github.com/ethereum/go-ethereum/common"

// nonces remembers the nonces that come after those of included transactions. It has the newest
// senders, so many and no more.
type nonces struct {
	limit int
	next  map[common.Address]uint64
	ring  []common.Address // order of arrival; oldest is the place of the first once it is full
	first int
}

// nonceBytes is what a sender takes here.
const nonceBytes = 88

func newNonces(limit int) nonces {
	return nonces{limit: limit, next: map[common.Address]uint64{}}
}

func (n *nonces) bytes() int { return nonceBytes * len(n.ring) }

// included notes that a transaction is in a block.
func (n *nonces) included(sender common.Address, nonce uint64) {
	next, ok := n.next[sender]
	if !ok {
		if len(n.ring) < n.limit {
			n.ring = append(n.ring, sender)
		} else {
			delete(n.next, n.ring[n.first])
			n.ring[n.first] = sender
			n.first = (n.first + 1) % n.limit
		}
	}
	n.next[sender] = max(next, nonce+1) // a valid nonce is never the last number (EIP-2681)
}

// excluded notes that the block of a transaction has left the chain.
func (n *nonces) excluded(sender common.Address, nonce uint64) {
	if next, ok := n.next[sender]; ok {
		n.next[sender] = min(next, nonce)
	}
}

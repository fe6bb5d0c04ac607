package pool

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Inclusion is a transaction of a block.
type Inclusion struct {
	Sender common.Address
	Nonce  uint64
}

// Included follows a block that has become part of the chain: transactions with its senders' nonces,
// and lower ones, leave. The senders are remembered, so that such transactions are not taken again.
func (p *Pool) Included(block []Inclusion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range block {
		p.nonces.included(in.Sender, in.Nonce)
		p.recheck(in.Sender)
	}
	p.makeRoom()
}

// Excluded follows a block that has left the chain. Its transactions may be added again.
func (p *Pool) Excluded(block []Inclusion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, out := range block {
		p.nonces.excluded(out.Sender, out.Nonce)
		p.recheck(out.Sender)
	}
	p.makeRoom()
}

// Recheck asks the State for some senders again, after it has changed: what has become too old, or
// costs more than the balance, leaves.
func (p *Pool) Recheck(senders ...common.Address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, addr := range senders {
		p.recheck(addr)
	}
	p.makeRoom()
}

func (p *Pool) recheck(addr common.Address) {
	if s, ok := p.senders.get(addr); ok {
		p.refresh(s)
		p.leaveIfEmpty(s)
	}
}

// step bounds the work of one call, in transactions.
const step = 1024

// Expire drops transactions that have been in the pool for its lifetime. It reports whether there
// are more to drop: a call does a bounded amount of work.
func (p *Pool) Expire(now time.Time) (more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.expire(now, step)
}

func (p *Pool) expire(now time.Time, limit int) (more bool) {
	for range limit {
		e := p.timeline.oldest()
		if e == nil || now.Sub(e.time) < p.cfg.Lifetime {
			return false
		}
		p.drop(e, &p.counters.Expired)
	}
	return true
}

// Has reports whether the pool has a transaction.
func (p *Pool) Has(hash common.Hash) bool { return p.Get(hash) != nil }

// Get returns a transaction, or nil. Held ones are returned as well: a peer that asks for one knows it.
func (p *Pool) Get(hash common.Hash) *Tx {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.txs.get(hash); ok {
		return e.tx
	}
	return nil
}

// Outgoing is a transaction that may go on to other peers.
type Outgoing struct {
	Tx    *Tx
	Scope Scope // Announce or Push
}

// Ready returns transactions that may go on since some time, each once, in the order in which that
// came to be. At most limit are returned; an empty list says that there are no more.
func (p *Pool) Ready(limit int) (list []Outgoing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for ; n < len(p.ready) && len(list) < limit; n++ {
		e := p.timeline.find(p.ready[n])
		if e == nil {
			continue
		}
		if scope := e.sender.standing(e).scope(); scope != Hold {
			list = append(list, Outgoing{e.tx, scope})
		} else {
			e.queued = false // a gap has come: once it is filled, the transaction is ready again
		}
	}
	p.ready = p.ready[n:]
	return list
}

// forgetReady drops what has left the pool from the list of what is ready, if that is most of it.
func (p *Pool) forgetReady() {
	if len(p.ready) <= 64+2*p.timeline.live {
		return
	}
	var live []uint64
	for _, seq := range p.ready {
		if p.timeline.find(seq) != nil {
			live = append(live, seq)
		}
	}
	p.ready = live
}

// Cursor is a place in the pool's order. The zero value is its beginning.
type Cursor uint64

// After returns transactions that may go on, in the order in which they came, from a cursor on, and
// the cursor for the next call. It is what a new peer is told. done is true at the end. At most
// limit are returned, and a call looks at a bounded number of others.
func (p *Pool) After(c Cursor, limit int) (list []Outgoing, next Cursor, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.timeline.after(uint64(c))
	for end := i + step + limit; i < end && i < len(p.timeline.slots) && len(list) < limit; i++ {
		s := p.timeline.slots[i]
		c = Cursor(s.seq)
		if s.entry == nil {
			continue
		}
		if scope := s.entry.sender.standing(s.entry).scope(); scope != Hold {
			list = append(list, Outgoing{s.entry.tx, scope})
		}
	}
	return list, c, i >= len(p.timeline.slots)
}

// Counters only grow. They count transactions.
type Counters struct {
	Added    uint64 `json:"added"`
	Refused  uint64 `json:"refused"` // of those that are valid by themselves
	Replaced uint64 `json:"replaced"`
	Included uint64 `json:"included"`
	Unfunded uint64 `json:"unfunded"`
	Expired  uint64 `json:"expired"`
	Evicted  uint64 `json:"evicted"`
}

// Snapshot is what a pool has at one time.
type Snapshot struct {
	Transactions int `json:"transactions"`
	Senders      int `json:"senders"`
	// Held is how many may not go on, because one network alone has announced them.
	Held int `json:"held"`
	// Bytes is what the pool takes in memory.
	Bytes int `json:"bytes"`
	Counters
}

// State returns a snapshot.
func (p *Pool) State() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Snapshot{
		Transactions: p.timeline.live, Senders: len(p.senders.m), Held: p.held,
		Bytes: p.bytes + p.nonces.bytes(), Counters: p.counters,
	}
}

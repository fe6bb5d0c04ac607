package pool

import (
	"math/bits"
	"unsafe"
)

// What transactions and senders take beside their encoding, in bytes: their structs, and their
// shares of maps and slices, some of which are twice as large as what is in them. A test measures
// that the heap grows by less.
const (
	entryBytes  = int(unsafe.Sizeof(entry{})+unsafe.Sizeof(Tx{})) + 300
	senderBytes = int(unsafe.Sizeof(sender{})) + 220
	holderBytes = int(unsafe.Sizeof(holder{})) + 160
)

// sizeOf returns what a transaction takes. Allocations are up to an eighth larger than asked for, and
// large ones have whole pages.
func sizeOf(tx *Tx) int {
	n := entryBytes + len(tx.encoded) + len(tx.encoded)/8
	if len(tx.cells) > 0 {
		n += len(tx.cells)*len(tx.cells[0]) + 8<<10
	}
	return n
}

const (
	// smallShare is the part of the pool, one in so many, up to which all senders count as equal.
	smallShare = 256
	// heldShare is the part that transactions of one network alone may have when the pool is full.
	heldShare = 4
)

// losesBefore reports whether sender a loses a transaction before b does. share is what a sender
// may have before it counts for more than others.
func losesBefore(a, b *sender, share int) bool {
	if x, y := a.waits(), b.waits(); x != y {
		return x
	}
	if x, y := bits.Len(uint(a.bytes/share)), bits.Len(uint(b.bytes/share)); x != y {
		return x > y
	}
	x, _ := a.prices.first()
	y, _ := b.prices.first()
	if c := x.tx.feeCap.Cmp(&y.tx.feeCap); c != 0 {
		return c < 0
	}
	if c := x.tx.tip.Cmp(&y.tx.tip); c != 0 {
		return c < 0
	}
	return a.last().seq > b.last().seq
}

// waits reports whether the last transaction cannot be executed, because lower nonces are missing.
func (s *sender) waits() bool { return s.known && len(s.txs) > s.pending }

// makeRoom evicts transactions while the pool has too much.
func (p *Pool) makeRoom() {
	for p.bytes+p.nonces.bytes() > p.cfg.Bytes || p.cfg.Count > 0 && p.timeline.live > p.cfg.Count {
		victim := p.victim()
		if victim == nil {
			break
		}
		p.drop(victim, &p.counters.Evicted)
	}
}

// victim returns the transaction to evict next.
func (p *Pool) victim() *entry {
	h, ok := p.heaviest.first()
	if ok && (p.heldBytes > p.cfg.Bytes/heldShare || p.cfg.Count > 0 && p.held > p.cfg.Count/heldShare) {
		return h.oldest
	}
	s, ok := p.worst.first()
	if !ok {
		return nil
	}
	return s.last()
}

// holder is a network with transactions that it alone has announced, of senders whose state is not
// known.
type holder struct {
	network        Network
	bytes          int // as if each had a sender of its own: that is what a flood has
	oldest, newest *entry
	rank           int
}

// hold enters a transaction into the list of its network.
func (p *Pool) hold(e *entry) {
	if e.holder != nil {
		return
	}
	h, ok := p.holders.get(e.network)
	if !ok {
		h = &holder{network: e.network, rank: -1}
		p.holders.set(e.network, h)
		p.bytes += holderBytes
	}
	e.holder, e.prev = h, h.newest
	if h.newest != nil {
		h.newest.next = e
	} else {
		h.oldest = e
	}
	h.newest = e
	h.bytes += e.bytes + senderBytes
	p.heldBytes += e.bytes + senderBytes
	p.held++
	p.heaviest.set(h)
}

// release takes a transaction out of the list of its network.
func (p *Pool) release(e *entry) {
	h := e.holder
	if h == nil {
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		h.oldest = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		h.newest = e.prev
	}
	e.holder, e.prev, e.next = nil, nil, nil
	h.bytes -= e.bytes + senderBytes
	p.heldBytes -= e.bytes + senderBytes
	p.held--
	if h.oldest != nil {
		p.heaviest.set(h)
		return
	}
	p.heaviest.remove(h)
	p.holders.remove(h.network)
	p.bytes -= holderBytes
}

package pool

import (
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
)

// Config configures a Pool. The zero value of each field has a meaning.
type Config struct {
	// Bytes bounds what the pool takes in memory. Zero: DefaultBytes.
	Bytes int
	// Count bounds the number of transactions. Zero: no bound but Bytes.
	Count int
	// Lifetime is how long a transaction stays. Zero: DefaultLifetime.
	Lifetime time.Duration
	// State has the accounts of senders. Nil: none are known.
	State State
}

const (
	// DefaultBytes is 64 MiB: some 55,000 transfers, each of another sender, or 85,000 of a few.
	DefaultBytes = 64 << 20
	// DefaultLifetime is that of go-ethereum's transactions that cannot be executed.
	DefaultLifetime = 3 * time.Hour
)

// ErrFull says that others pay more than a transaction, or that its sender has its share of a pool
// without room. It is a txpool.ErrUnderpriced.
var ErrFull = fmt.Errorf("%w: the pool is full", txpool.ErrUnderpriced)

// Pool has transactions. All methods may be called from any goroutine, and none waits.
type Pool struct {
	cfg Config

	mu        sync.Mutex
	seq       uint64
	txs       table[common.Hash, *entry]
	senders   table[common.Address, *sender]
	worst     ranked[*sender] // the one to lose a transaction first
	holders   table[Network, *holder]
	heaviest  ranked[*holder] // the one that holds the most first
	timeline  timeline
	ready     []uint64 // seq of transactions that may go on, and that Ready has not returned
	nonces    nonces
	bytes     int // of all transactions and senders
	held      int // number of transactions with a holder
	heldBytes int // of them, with a sender for each
	counters  Counters
}

// New returns an empty pool.
func New(cfg Config) *Pool {
	if cfg.Bytes <= 0 {
		cfg.Bytes = DefaultBytes
	}
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = DefaultLifetime
	}
	p := &Pool{cfg: cfg, nonces: newNonces(max(16, min(cfg.Bytes/16/nonceBytes, 1<<16)))}
	share := max(1, cfg.Bytes/smallShare)
	p.worst = ranked[*sender]{
		before: func(a, b *sender) bool { return losesBefore(a, b, share) },
		place:  func(s *sender) *int { return &s.rank },
	}
	p.heaviest = ranked[*holder]{
		before: func(a, b *holder) bool { return a.bytes > b.bytes },
		place:  func(h *holder) *int { return &h.rank },
	}
	return p
}

// Add adds a transaction that came from a peer. The error says why it was refused. It is one of
// go-ethereum's, none of which is a fault of the peer: ErrAlreadyKnown, ErrReplaceUnderpriced,
// ErrUnderpriced (of which ErrFull is one), core.ErrNonceTooLow, core.ErrInsufficientFunds.
func (p *Pool) Add(now time.Time, tx *Tx, from Origin) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now, 8)
	err := p.add(now, tx, from)
	if err != nil {
		p.counters.Refused++
	}
	return err
}

func (p *Pool) add(now time.Time, tx *Tx, from Origin) error {
	if e, ok := p.txs.get(tx.hash); ok {
		p.confirm(e, from)
		return fmt.Errorf("%w: %v", txpool.ErrAlreadyKnown, tx.hash)
	}
	s, ok := p.senders.get(tx.sender)
	if !ok {
		s = newSender(tx.sender)
	}
	p.refresh(s)
	replaced, err := s.admit(tx)
	if err != nil {
		p.leaveIfEmpty(s)
		return err
	}
	if replaced != nil {
		p.take(replaced, &p.counters.Replaced)
	}
	if len(s.txs) == 0 {
		p.enter(s)
	}
	p.seq++
	e := &entry{tx: tx, seq: p.seq, time: now, sender: s, rank: -1, bytes: sizeOf(tx), network: from.Network, confirmed: from.Trusted}
	p.put(e)
	p.counters.Added++
	p.makeRoom()
	if _, ok := p.txs.get(tx.hash); !ok {
		return ErrFull // it has displaced only what was worse than itself
	}
	return nil
}

// put adds an entry to all lists.
func (p *Pool) put(e *entry) {
	s := e.sender
	p.txs.set(e.tx.hash, e)
	p.timeline.add(e)
	s.insert(e)
	p.bytes += e.bytes
	for _, other := range s.extend() {
		p.settle(other)
	}
	p.settle(e)
	p.worst.set(s)
}

// take removes an entry from all lists. Its sender stays, even if it has no more.
func (p *Pool) take(e *entry, counter *uint64) {
	p.release(e)
	p.txs.remove(e.tx.hash)
	p.timeline.remove(e)
	e.sender.remove(e)
	p.bytes -= e.bytes
	if e.sender.rank >= 0 && len(e.sender.txs) > 0 {
		p.worst.set(e.sender)
	}
	p.forgetReady()
	*counter++
}

// drop removes an entry, and its sender with its last one.
func (p *Pool) drop(e *entry, counter *uint64) {
	p.take(e, counter)
	p.leaveIfEmpty(e.sender)
}

func (p *Pool) enter(s *sender) {
	if _, ok := p.senders.get(s.addr); !ok {
		p.senders.set(s.addr, s)
		p.bytes += senderBytes
	}
}

func (p *Pool) leaveIfEmpty(s *sender) {
	if len(s.txs) > 0 {
		return
	}
	p.worst.remove(s)
	if _, ok := p.senders.get(s.addr); ok {
		p.senders.remove(s.addr)
		p.bytes -= senderBytes
	}
}

// refresh asks for a sender's account, and does what follows if it has changed.
func (p *Pool) refresh(s *sender) {
	next, balance, known := uint64(0), s.balance, false
	if p.cfg.State != nil {
		next, balance, known = p.cfg.State.Account(s.addr)
	}
	if !known {
		next = 0
	}
	next = max(next, p.nonces.next[s.addr])
	if next == s.next && known == s.known && (!known || balance == s.balance) {
		return
	}
	s.next, s.balance, s.known = next, balance, false // so that take leaves s.spent alone
	for len(s.txs) > 0 && s.txs[0].tx.nonce < next {
		p.take(s.txs[0], &p.counters.Included)
	}
	if known {
		for _, e := range s.unfunded() {
			p.take(e, &p.counters.Unfunded)
		}
	}
	s.known, s.pending = known, 0
	s.extend()
	for _, e := range s.txs {
		p.settle(e)
	}
	if len(s.txs) > 0 {
		p.worst.set(s)
	}
}

// settle brings a transaction to where its standing says: held, or ready to go on.
func (p *Pool) settle(e *entry) {
	st := e.sender.standing(e)
	if st.known || st.confirmed {
		p.release(e)
	} else {
		p.hold(e)
	}
	if st.scope() != Hold && !e.queued {
		e.queued = true
		p.ready = append(p.ready, e.seq)
		p.forgetReady()
	}
}

// confirm notes that a peer has announced a transaction.
func (p *Pool) confirm(e *entry, from Origin) {
	if !e.confirmed && (from.Trusted || from.Network != e.network) {
		e.confirmed = true
		p.settle(e)
	}
}

// Announced notes that a peer has announced a transaction, and reports whether the pool has it. A
// transaction that was held may go on after this, see Ready.
func (p *Pool) Announced(hash common.Hash, from Origin) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.txs.get(hash)
	if ok {
		p.confirm(e, from)
	}
	return ok
}

package actors

import (
	"sync"
	"sync/atomic"
)

// Pool is what all links of a node share. It limits the bytes of messages read and not yet handled
// that they hold together (R1), and lets one at a time decompress a message with excess. It allocates no memory, it only counts: a reader that finds the pool empty stops
// reading until other links have handled their messages.
type Pool struct {
	limit int64
	used  atomic.Int64

	expansion expansion

	hungry  atomic.Int32 // how many readers wait
	mu      sync.Mutex
	waiters []chan struct{}
}

// DefaultPool is a node's default memory for inbound messages, in bytes.
const DefaultPool = 256 << 20

// NewPool returns a pool of that many bytes.
func NewPool(bytes int64) *Pool { return &Pool{limit: bytes, expansion: newExpansion()} }

// Used returns how many bytes are in use.
func (p *Pool) Used() int64 { return p.used.Load() }

// Cap returns the pool's size in bytes.
func (p *Pool) Cap() int64 { return p.limit }

// take takes n bytes if they are free, or if the whole pool is free: a message larger than the
// pool passes alone.
func (p *Pool) take(n int64) bool {
	for {
		used := p.used.Load()
		if used > 0 && used+n > p.limit {
			return false
		}
		if p.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// give returns n bytes and wakes all waiting readers.
func (p *Pool) give(n int64) {
	if n == 0 {
		return
	}
	p.used.Add(-n)
	if p.hungry.Load() == 0 {
		return
	}
	p.mu.Lock()
	woken := p.waiters
	p.waiters = nil
	p.hungry.Store(0)
	p.mu.Unlock()
	for _, ch := range woken {
		close(ch)
	}
}

// wait returns a channel that closes at the next give. Call take again after wait and before
// blocking, or a give in between is missed.
func (p *Pool) wait() <-chan struct{} {
	ch := make(chan struct{})
	p.mu.Lock()
	p.waiters = append(p.waiters, ch)
	p.hungry.Add(1)
	p.mu.Unlock()
	return ch
}

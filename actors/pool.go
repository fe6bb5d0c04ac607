package actors

import (
	"sync"
	"sync/atomic"
)

// Pool caps the bytes that all links of a node together hold of messages read
// and not yet handled (R1). It hands out no memory, it counts it: a reader that
// finds the pool empty stops reading until others have handled theirs.
type Pool struct {
	limit int64
	used  atomic.Int64

	hungry  atomic.Int32 // how many readers wait
	mu      sync.Mutex
	waiters []chan struct{}
}

// DefaultPool is a node's share of memory for inbound messages, in bytes.
const DefaultPool = 256 << 20

// NewPool makes a pool of so many bytes.
func NewPool(bytes int64) *Pool { return &Pool{limit: bytes} }

// Used is how many bytes are held now.
func (p *Pool) Used() int64 { return p.used.Load() }

// Cap is how many bytes there are.
func (p *Pool) Cap() int64 { return p.limit }

// take takes n bytes if they are there, or if nobody holds any: a message
// larger than the whole pool still gets through alone.
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

// give returns n bytes and wakes everyone who waits for some.
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

// wait gives a channel that closes at the next give. Ask take again after the
// call and before waiting, or a give in between is missed.
func (p *Pool) wait() <-chan struct{} {
	ch := make(chan struct{})
	p.mu.Lock()
	p.waiters = append(p.waiters, ch)
	p.hungry.Add(1)
	p.mu.Unlock()
	return ch
}

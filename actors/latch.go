package actors

import "sync"

// latch is a channel that closes once. The channel is made when it is first needed: most links
// never need theirs, and a channel has a hundred bytes. The zero value is open.
type latch struct {
	mu     sync.Mutex
	ch     chan struct{}
	closed bool
}

// done returns a channel that closes when close is called.
func (l *latch) done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ch == nil {
		l.ch = make(chan struct{})
		if l.closed {
			close(l.ch)
		}
	}
	return l.ch
}

// close may be called once.
func (l *latch) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.ch != nil {
		close(l.ch)
	}
}

package actors

import "sync"

// inbox holds the batches that the reader has delivered to a host and that the host has not taken
// yet. Batches do not travel in the mailbox: a mailbox drops what is unread when its actor stops,
// and the memory would stay charged to the node for ever.
type inbox struct {
	mu      sync.Mutex
	batches []*batch
	closed  bool
}

// put hands a batch over; the inbox owns it from then on. wake is true when the inbox was empty,
// so that the host must be notified.
func (in *inbox) put(b *batch) (wake bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		b.free()
		return false
	}
	in.batches = append(in.batches, b)
	return len(in.batches) == 1
}

// take appends the waiting batches to queue.
func (in *inbox) take(queue []*batch) []*batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	queue = append(queue, in.batches...)
	clear(in.batches)
	in.batches = in.batches[:0]
	if cap(in.batches) > maxIdleQueue {
		in.batches = nil
	}
	return queue
}

// close releases all batches, including those that arrive later.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for _, b := range in.batches {
		b.free()
	}
	in.batches = nil
}

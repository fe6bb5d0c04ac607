package actors

import "sync"

// inbox is what the reader has brought for a host and the host has not taken yet.
// Batches don't travel in the mailbox: what is unread there when an actor stops is
// dropped, and its memory would stay charged to the node for ever.
type inbox struct {
	mu      sync.Mutex
	batches []*batch
	closed  bool
}

// put hands a batch over; from then on it is the inbox's. wake says that the host
// must be told, because there was nothing before.
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

// take moves what is there to the end of queue.
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

// close gives everything back, also what comes later.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for _, b := range in.batches {
		b.free()
	}
	in.batches = nil
}

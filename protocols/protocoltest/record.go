package protocoltest

import "sync"

// record is a list that grows and whose growth can be awaited. The zero value is empty.
type record[T any] struct {
	mu    sync.Mutex
	items []T
	grown chan struct{} // closes when the list grows; nil while no goroutine waits
}

func (r *record[T]) add(item T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, item)
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

// from returns the items from index n on, and a channel that closes when there are more. Items
// are never changed.
func (r *record[T]) from(n int) ([]T, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return r.items[n:len(r.items):len(r.items)], r.grown
}

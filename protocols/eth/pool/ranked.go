package pool

import "container/heap"

// ranked is a heap whose items know their place in it, so that any can be moved or removed.
type ranked[T any] struct {
	items  []T
	before func(a, b T) bool
	place  func(T) *int // -1: not in the heap
}

// The methods that container/heap calls.
func (r *ranked[T]) Len() int           { return len(r.items) }
func (r *ranked[T]) Less(i, j int) bool { return r.before(r.items[i], r.items[j]) }
func (r *ranked[T]) Swap(i, j int) {
	r.items[i], r.items[j] = r.items[j], r.items[i]
	*r.place(r.items[i]), *r.place(r.items[j]) = i, j
}
func (r *ranked[T]) Push(x any) {
	*r.place(x.(T)) = len(r.items)
	r.items = append(r.items, x.(T))
}
func (r *ranked[T]) Pop() any {
	last := len(r.items) - 1
	x := r.items[last]
	clear(r.items[last:])
	r.items = shrunk(r.items[:last])
	*r.place(x) = -1
	return x
}

// set adds an item, or moves one whose rank has changed.
func (r *ranked[T]) set(x T) {
	if at := *r.place(x); at >= 0 {
		heap.Fix(r, at)
	} else {
		heap.Push(r, x)
	}
}

func (r *ranked[T]) remove(x T) {
	if at := *r.place(x); at >= 0 {
		heap.Remove(r, at)
	}
}

// first returns the first item; ok is false if there is none.
func (r *ranked[T]) first() (x T, ok bool) {
	if len(r.items) == 0 {
		return x, false
	}
	return r.items[0], true
}

// shrunk returns s in less memory, if most of what it has is not in use.
func shrunk[T any](s []T) []T {
	if cap(s) <= 64 || 4*len(s) > cap(s) {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
}

// table is a map that gives memory back when most of its entries are gone.
type table[K comparable, V any] struct {
	m    map[K]V
	peak int // entries since the map was made
}

func (t *table[K, V]) get(key K) (V, bool) {
	v, ok := t.m[key]
	return v, ok
}

func (t *table[K, V]) set(key K, value V) {
	if t.m == nil {
		t.m = map[K]V{}
	}
	t.m[key] = value
	t.peak = max(t.peak, len(t.m))
}

func (t *table[K, V]) remove(key K) {
	delete(t.m, key)
	if t.peak <= 64 || 4*len(t.m) > t.peak {
		return
	}
	m := make(map[K]V, len(t.m))
	for k, v := range t.m {
		m[k] = v
	}
	t.m, t.peak = m, len(m)
}

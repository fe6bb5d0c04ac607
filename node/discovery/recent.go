package discovery

import "time"

// recent remembers keys for a while, in bounded memory: two generations of up to limit keys. A key
// is remembered for at least span, unless limit keys were added since.
type recent[K comparable] struct {
	span     time.Duration
	limit    int
	young    map[K]struct{}
	old      map[K]struct{}
	youngest time.Time // start of young
}

func newRecent[K comparable](span time.Duration, limit int) *recent[K] {
	return &recent[K]{span: span, limit: limit}
}

// add remembers a key. If it was already remembered, its time starts again.
func (r *recent[K]) add(k K, now time.Time) {
	r.age(now)
	if _, ok := r.young[k]; ok {
		return
	}
	if len(r.young) >= r.limit {
		r.turn(now)
	}
	if r.young == nil {
		r.young, r.youngest = map[K]struct{}{}, now
	}
	r.young[k] = struct{}{}
}

func (r *recent[K]) has(k K, now time.Time) bool {
	r.age(now)
	_, young := r.young[k]
	_, old := r.old[k]
	return young || old
}

// age removes the generations that are too old.
func (r *recent[K]) age(now time.Time) {
	if r.young != nil && now.Sub(r.youngest) >= r.span {
		r.turn(r.youngest.Add(r.span))
	}
	if r.young == nil && now.Sub(r.youngest) >= r.span {
		r.old = nil
	}
}

// turn starts a new generation.
func (r *recent[K]) turn(now time.Time) {
	r.old, r.young, r.youngest = r.young, nil, now
}

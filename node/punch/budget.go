package punch

import (
	"container/list"
	"time"
)

// budgetSpan is what a budget is for.
const budgetSpan = time.Minute

// budget lets so many messages a minute through for each key: never more within any minute,
// whoever else comes. It remembers a bounded number of keys. While all of them were used within the
// minute, a key that is not among them gets nothing: were one forgotten, it would
// have its budget again, and a flood of fresh keys is the way to bring that about.
//
// It is not safe for concurrent use.
type budget[K comparable] struct {
	perMinute, maxKeys int

	keys map[K]*list.Element // of *spent[K]
	idle list.List           // the one that is idle longest is in front
}

// spent is when a key was used: the last perMinute times, as a ring once there are so many.
type spent[K comparable] struct {
	key    K
	times  []time.Time
	oldest int // where in times
	last   time.Time
}

func newBudget[K comparable](perMinute, maxKeys int) *budget[K] {
	return &budget[K]{perMinute: perMinute, maxKeys: maxKeys, keys: map[K]*list.Element{}}
}

// take says whether one more is within the budget, and takes it out if it is.
func (b *budget[K]) take(key K, now time.Time) bool {
	if b.perMinute <= 0 {
		return false
	}
	e := b.keys[key]
	if e == nil {
		if !b.room(now) {
			return false
		}
		e = b.idle.PushBack(&spent[K]{key: key})
		b.keys[key] = e
	}
	s := e.Value.(*spent[K])
	switch {
	case len(s.times) < b.perMinute:
		s.times = append(s.times, now)
	case now.Sub(s.times[s.oldest]) < budgetSpan:
		return false
	default:
		s.times[s.oldest] = now
		s.oldest = (s.oldest + 1) % len(s.times)
	}
	s.last = now
	b.idle.MoveToBack(e)
	return true
}

// room says whether there is room for one more key, and makes it by forgetting the one that is
// idle longest, if nothing of its budget is used.
func (b *budget[K]) room(now time.Time) bool {
	if len(b.keys) < b.maxKeys {
		return true
	}
	front := b.idle.Front()
	if front == nil {
		return false
	}
	s := front.Value.(*spent[K])
	if now.Sub(s.last) < budgetSpan {
		return false
	}
	delete(b.keys, s.key)
	b.idle.Remove(front)
	return true
}

package punch

import (
	"container/list"
	"time"
)

// budgetSpan is the period of a budget.
const budgetSpan = time.Minute

// budget limits the messages of each key to a number within any minute, whatever other keys do. It
// remembers a bounded number of keys. While all of them were used within the last minute, a new key gets
// nothing: if a key were forgotten, its budget would start anew, and a flood of new keys could cause that.
//
// It is not safe for concurrent use.
type budget[K comparable] struct {
	perMinute, maxKeys int

	keys map[K]*list.Element // of *spent[K]
	idle list.List           // the key that is idle longest is in front
}

// spent records when a key was used: the last perMinute times. When it is full, times is a ring.
type spent[K comparable] struct {
	key    K
	times  []time.Time
	oldest int // index in times
	last   time.Time
}

func newBudget[K comparable](perMinute, maxKeys int) *budget[K] {
	return &budget[K]{perMinute: perMinute, maxKeys: maxKeys, keys: map[K]*list.Element{}}
}

// take reports whether one more message of a key is within its budget, and counts it if so.
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

// room reports whether there is room for one more key. If need be, it forgets the key that is idle longest,
// unless that was used within the minute.
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

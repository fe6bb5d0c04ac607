package eth

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
)

// upload bounds the answers of all links, in bytes a second. Where answers wait, links take turns by
// how much they have got (start-time fair queueing): a small answer does not wait for the large ones of
// another link. An answer may go once none before it is owed for. What a link that has ended waited
// for costs nothing.
type upload struct {
	rate  float64 // bytes a second
	clock protocols.Clock

	mu      sync.Mutex
	free    float64 // bytes that may go at once, at most rate; negative: owed
	asOf    time.Time
	virtual float64 // what a link has got, at the least, that is always at work
	waiting []*turn // by begin
	timer   protocols.Timer
}

// share is what one link has got of the upload.
type share struct{ got float64 }

// turn is an answer that waits.
type turn struct {
	begin   float64 // virtual time
	size    int
	granted chan struct{} // closed when the answer may go
}

// newUpload returns a bound, or nil for none.
func newUpload(perSecond int, clock protocols.Clock) *upload {
	if perSecond == 0 {
		return nil
	}
	return &upload{rate: float64(perSecond), clock: clock, free: float64(perSecond), asOf: clock.Now()}
}

// wait waits until an answer of size bytes may go. It returns false if done ended before.
func (u *upload) wait(s *share, size int, done <-chan struct{}) bool {
	if u == nil {
		return true
	}
	t := u.enter(s, size)
	select {
	case <-t.granted:
		return true
	case <-done:
		u.leave(t)
		return false
	}
}

// open reports whether an answer may go at once.
func (u *upload) open() bool {
	if u == nil {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.isOpen()
}

// try lets an answer of size bytes go if it may go at once. Otherwise it changes nothing and returns false.
func (u *upload) try(s *share, size int) bool {
	if u == nil {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.isOpen() {
		return false
	}
	begin := max(s.got, u.virtual)
	s.got = begin + float64(size)
	u.charge(begin, size)
	return true
}

// isOpen is open for a caller that holds mu.
func (u *upload) isOpen() bool {
	u.proceed()
	return len(u.waiting) == 0 && u.free >= 0
}

// charge counts an answer that goes. The caller holds mu.
func (u *upload) charge(begin float64, size int) {
	u.free -= float64(size)
	u.virtual = begin
}

func (u *upload) enter(s *share, size int) *turn {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := &turn{begin: max(s.got, u.virtual), size: size, granted: make(chan struct{})}
	s.got = t.begin + float64(size)
	at, _ := slices.BinarySearchFunc(u.waiting, t.begin, func(w *turn, begin float64) int {
		if w.begin <= begin {
			return -1 // those that came before go first
		}
		return cmp.Compare(w.begin, begin)
	})
	u.waiting = slices.Insert(u.waiting, at, t)
	u.proceed()
	return t
}

func (u *upload) leave(t *turn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = slices.DeleteFunc(u.waiting, func(w *turn) bool { return w == t })
}

// proceed lets go what may go. The caller holds mu.
func (u *upload) proceed() {
	now := u.clock.Now()
	u.free = min(u.rate, u.free+now.Sub(u.asOf).Seconds()*u.rate)
	u.asOf = now
	for len(u.waiting) > 0 && u.free >= 0 {
		t := u.waiting[0]
		u.waiting = slices.Delete(u.waiting, 0, 1)
		u.charge(t.begin, t.size)
		close(t.granted)
	}
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	if len(u.waiting) > 0 {
		owed := time.Duration(-u.free/u.rate*float64(time.Second)) + time.Millisecond
		u.timer = u.clock.AfterFunc(owed, func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.timer = nil
			u.proceed()
		})
	}
}

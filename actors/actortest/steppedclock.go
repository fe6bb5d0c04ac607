package actortest

import (
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// SteppedClock is a supervise.Clock that stands still until the test advances it. It is for tests with
// real sockets, which a bubble of testing/synctest cannot have.
type SteppedClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*steppedTimer
}

// NewSteppedClock returns a clock that shows the present time.
func NewSteppedClock() *SteppedClock { return &SteppedClock{now: time.Now()} }

// Now implements supervise.Clock.
func (c *SteppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements supervise.Clock.
func (c *SteppedClock) AfterFunc(d time.Duration, f func()) supervise.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &steppedTimer{clock: c, at: c.now.Add(d), f: f}
	c.timers = append(c.timers, t)
	return t
}

// Advance moves the clock forward, and starts a goroutine for each call that is due then.
func (c *SteppedClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.timers = slices.DeleteFunc(c.timers, func(t *steppedTimer) bool {
		due := !t.at.After(c.now)
		if due {
			go t.f()
		}
		return due
	})
}

type steppedTimer struct {
	clock *SteppedClock
	at    time.Time
	f     func()
}

// Stop implements supervise.Timer.
func (t *steppedTimer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.timers, t)
	if i >= 0 {
		c.timers = slices.Delete(c.timers, i, i+1)
	}
	return i >= 0
}

package actortest

import (
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Clock is the clock of a node that does not run for a time, for tests in a bubble. The zero value
// is the bubble's clock. It stops the node's timers alone: what else the node does is up to the test,
// which may cut its network off.
type Clock struct {
	mu        sync.Mutex
	set       time.Duration // of the wall clock against the bubble's
	stopped   bool
	suspended bool
	since     time.Time // of the suspension
	timers    map[*timer]bool
}

// timer is a call that AfterFunc has promised.
type timer struct {
	clock *Clock
	timer *time.Timer
	due   time.Time
	run   func()
	late  bool // it was due while the process was stopped
}

// Now implements supervise.Clock.
func (c *Clock) Now() time.Time { return time.Now() }

// Wall is the wall clock, see supervise.WallTime.
func (c *Clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.set).Round(0)
}

// Set moves the wall clock, back if d is negative.
func (c *Clock) Set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set += d
}

// AfterFunc implements supervise.Clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) supervise.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timers == nil {
		c.timers = map[*timer]bool{}
	}
	t := &timer{clock: c, due: time.Now().Add(d), run: f}
	c.timers[t] = true
	t.timer = time.AfterFunc(d, t.fire)
	if c.suspended {
		t.timer.Stop()
	}
	return t
}

func (t *timer) fire() {
	c := t.clock
	c.mu.Lock()
	t.late = c.stopped
	run := c.timers[t] && !c.stopped && !c.suspended
	if run {
		delete(c.timers, t)
	}
	c.mu.Unlock()
	if run {
		t.run()
	}
}

// Stop implements supervise.Timer.
func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	waits := t.clock.timers[t]
	delete(t.clock.timers, t)
	t.timer.Stop()
	return waits
}

// Stop stops the process, as SIGSTOP does, until Continue.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
}

// Continue lets a stopped process run again. The timers that were due meanwhile are late.
func (c *Clock) Continue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = false
	for t := range c.timers {
		if t.late {
			delete(c.timers, t)
			go t.run()
		}
	}
}

// Suspend suspends the machine until Resume: the timers stand still.
func (c *Clock) Suspend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suspended, c.since = true, time.Now()
	for t := range c.timers {
		t.timer.Stop()
	}
}

// Resume ends a suspension. Each timer has the time left that it had before.
func (c *Clock) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suspended = false
	for t := range c.timers {
		if t.due.Before(c.since) {
			t.due = c.since
		}
		t.due = t.due.Add(time.Since(c.since))
		t.timer.Reset(time.Until(t.due))
	}
}

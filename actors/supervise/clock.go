package supervise

import (
	"sync/atomic"
	"time"
)

// Clock is the source of time for links and actors, so that an embedding program can run many
// nodes on its own time. [SystemClock] serves all others, including tests under testing/synctest.
//
// Now is a steady time: it counts the time for which the machine was suspended, and setting the
// wall clock does not change it. A Clock whose Now may therefore differ from the wall clock has the
// method Wall() time.Time as well, see [WallTime].
type Clock interface {
	// Now returns the current time, with a monotonic reading if the clock has one.
	Now() time.Time
	// AfterFunc runs f in a goroutine of its own once d has passed. The time for which the machine
	// is suspended need not count: a [Watch] notices it.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that [Clock.AfterFunc] has promised.
type Timer interface {
	// Stop cancels the call and says whether it came in time.
	Stop() bool
}

// SystemClock is the clock of package time. Go's monotonic clock stands still on Linux while the
// machine is suspended. SystemClock adds that time, as soon as a [Watch] has noticed it.
var SystemClock Clock = newSystemClock(suspendedTime)

type systemClock struct {
	read      func() time.Duration // for how long the machine was suspended since it booted
	origin    time.Time            // the process's start
	before    time.Duration        // what read returned then
	suspended atomic.Int64         // nanoseconds for which the machine was suspended since then
}

func newSystemClock(read func() time.Duration) *systemClock {
	return &systemClock{read: read, origin: time.Now(), before: read()}
}

// Now implements Clock.
func (c *systemClock) Now() time.Time {
	now := time.Now()
	if d := time.Duration(c.suspended.Load()); d != 0 {
		return c.origin.Add(now.Sub(c.origin) + d)
	}
	return now
}

// Wall returns the wall clock, which may be set at any time.
func (c *systemClock) Wall() time.Time { return time.Now().Round(0) }

// AfterFunc implements Clock.
func (c *systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// minSuspension is the shortest suspension that counts. Less is the time between two readings.
const minSuspension = 100 * time.Millisecond

// look adds the time for which the machine was suspended since the last look.
func (c *systemClock) look() {
	d := c.read() - c.before
	if was := c.suspended.Load(); d-time.Duration(was) >= minSuspension {
		c.suspended.CompareAndSwap(was, int64(d)) // otherwise another node's Watch has just looked
	}
}

// WallTime returns the wall clock's time at the time t of a clock, for people and files. It is what t
// itself says, unless the wall clock was set, by a second at least.
func WallTime(c Clock, t time.Time) time.Time {
	w, ok := c.(interface{ Wall() time.Time })
	if !ok {
		return t.Round(0)
	}
	now := c.Now()
	at := w.Wall().Add(t.Sub(now)).Round(0)
	if own := t.Round(0); own.Sub(at).Abs() < time.Second {
		return own // the two readings are a moment apart
	}
	return at
}

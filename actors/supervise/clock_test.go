package supervise

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestSystemClockCountsSuspension: Now goes on by the time for which the machine was suspended, once a
// Watch has looked, and times from before are as far away as they are. Timers and the wall clock do
// not change.
func TestSystemClockCountsSuspension(t *testing.T) {
	const slack = 10 * time.Second // of this test
	near := func(what string, got, want time.Duration) {
		t.Helper()
		if (got - want).Abs() > slack {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	var slept atomic.Int64
	sleep := func(d time.Duration) { slept.Add(int64(d)) }
	sleep(7 * time.Hour) // before the process started
	c := newSystemClock(func() time.Duration { return time.Duration(slept.Load()) })
	w := NewWatch(c, func(Resumed) {})
	w.Start()
	defer w.Stop()
	before := c.Now()
	near("now, not suspended", time.Until(c.Now()), 0)
	sleep(minSuspension - 1)
	c.look()
	near("now, after two readings at different times", c.Now().Sub(before), 0)
	for i := range 3 {
		sleep(time.Hour)
		near("lost", w.Lost(before), time.Duration(i+1)*time.Hour)
		near("since before", c.Now().Sub(before), time.Duration(i+1)*time.Hour)
	}
	near("the wall clock", c.Wall().Sub(time.Now().Round(0)), 0)
	near("now, as the wall clock shows it", WallTime(c, c.Now()).Sub(time.Now().Round(0)), 0)
	if c.Now().Before(before.Add(3 * time.Hour)) {
		t.Error("the monotonic reading does not count")
	}
}

// TestSuspendedTime: the machine's own clocks can be read, and do not jump.
func TestSuspendedTime(t *testing.T) {
	a := suspendedTime()
	if b := suspendedTime(); a < -minSuspension || b-a > minSuspension {
		t.Errorf("suspended for %v and then %v", a, b)
	}
}

package actors

import (
	"testing"
	"time"
)

// noBuffersLost fails the test if it ends with more buffers out than there were at
// the first call. What is to be cleaned up before is asked for later. Tests that use
// it don't run in parallel.
func noBuffersLost(t testing.TB) {
	t.Helper()
	if watched == t {
		return
	}
	watched = t
	before := buffersOut.Load()
	t.Cleanup(func() { becomesZero(t, "buffers left over", func() int64 { return buffersOut.Load() - before }) })
}

// watched is the test whose buffers are looked after.
var watched testing.TB

// becomesZero fails the test if a number does not come down to zero: what ends a link
// may be a step ahead of what cleans up behind it.
func becomesZero(t testing.TB, what string, number func() int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 20_000 {
		if number() == 0 {
			return
		}
		<-tick.C
	}
	t.Errorf("%d %s", number(), what)
}

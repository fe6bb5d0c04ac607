package actors

import (
	"testing"
	"time"
)

// noBuffersLost fails the test if more buffers are in use at its end than at the first call. The
// check runs after the cleanups that are registered later. Tests that use it don't run in
// parallel.
func noBuffersLost(t testing.TB) {
	t.Helper()
	if watched == t {
		return
	}
	watched = t
	before := buffersOut.Load()
	t.Cleanup(func() { becomesZero(t, "buffers left over", func() int64 { return buffersOut.Load() - before }) })
}

// watched is the test whose buffers are checked.
var watched testing.TB

// becomesZero fails the test if a number does not fall to zero: cleanup may finish a moment after
// the link's end.
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

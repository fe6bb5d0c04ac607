package actortest

import (
	"testing"
	"time"
)

// Patience is how long the functions of this package wait for something that normally
// happens at once. It has room for a machine that is many times slower.
const Patience = 2 * time.Minute

// Poll waits until is returns true. It returns false after [Patience]. It is for tests in
// real time; in a bubble synctest.Wait is exact.
func Poll(is func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

// Eventually waits until is returns true, as [Poll] does, and fails the test after
// [Patience]. The failure says what did not happen.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	if !Poll(is) {
		t.Fatalf("not within %v: %s", Patience, what)
	}
}

// Receive receives one value. It fails the test after [Patience], or if the channel is
// closed.
func Receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("the channel of %T is closed", v)
		}
		return v
	case <-deadline.C:
		t.Fatalf("no %T within %v", *new(T), Patience)
	}
	panic("unreachable")
}

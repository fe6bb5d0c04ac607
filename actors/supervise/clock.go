package supervise

import "time"

// Clock is where the link's time comes from, so that an embedder can run many
// nodes on a time of its own. [SystemClock] serves everybody else, tests under
// testing/synctest included.
type Clock interface {
	// Now is the current time, with a monotonic reading where there is one.
	Now() time.Time
	// AfterFunc runs f in a goroutine of its own once d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that [Clock.AfterFunc] has promised.
type Timer interface {
	// Stop cancels the call and says whether it came in time.
	Stop() bool
}

// SystemClock is the clock of package time.
var SystemClock Clock = systemClock{}

type systemClock struct{}

func (systemClock) Now() time.Time                            { return time.Now() }
func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

package supervise

import "time"

// Clock is the source of time for links and actors, so that an embedding program can run many
// nodes on its own time. [SystemClock] serves all others, including tests under testing/synctest.
type Clock interface {
	// Now returns the current time, with a monotonic reading if the clock has one.
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

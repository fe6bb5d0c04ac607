package dial

import "time"

// rate lets at most perSecond things begin within any second.
type rate struct {
	perSecond int

	begun []time.Time // the last perSecond beginnings, oldest first
}

// wait is the time until the next one may begin.
func (r *rate) wait(now time.Time) time.Duration {
	if len(r.begun) < r.perSecond {
		return 0
	}
	return max(0, r.begun[0].Add(time.Second).Sub(now))
}

// begin records that one has begun.
func (r *rate) begin(now time.Time) {
	if len(r.begun) >= r.perSecond {
		r.begun = append(r.begun[:0], r.begun[1:]...)
	}
	r.begun = append(r.begun, now)
}

package dial

import "time"

// rate limits the dials that begin within any second to perSecond.
type rate struct {
	perSecond int

	begun []time.Time // when the last perSecond dials began, oldest first
}

// wait returns the time until the next dial may begin.
func (r *rate) wait(now time.Time) time.Duration {
	if len(r.begun) < r.perSecond {
		return 0
	}
	return max(0, r.begun[0].Add(time.Second).Sub(now))
}

// begin records that a dial has begun.
func (r *rate) begin(now time.Time) {
	if len(r.begun) >= r.perSecond {
		r.begun = append(r.begun[:0], r.begun[1:]...)
	}
	r.begun = append(r.begun, now)
}

package discovery

import "time"

// allowance is a token bucket with the given rate per second and burst.
type allowance struct {
	rate  float64
	burst float64
	left  float64
	last  time.Time
}

func newAllowance(rate, burst float64) *allowance {
	return &allowance{rate: rate, burst: burst, left: burst}
}

// take takes one token. It returns false if there is none.
func (a *allowance) take(now time.Time) bool {
	if !a.last.IsZero() {
		a.left = min(a.burst, a.left+a.rate*now.Sub(a.last).Seconds())
	}
	a.last = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}

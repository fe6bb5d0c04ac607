package ask

import "time"

const (
	// target is how long a request should keep a peer busy, besides the latency: what is lost by a
	// time-out, and what another asker waits for. More latency than maxLatency is not made up for.
	target     = time.Second
	maxLatency = 1500 * time.Millisecond
	// The bounds of a request's time-out, and the one of a peer that has not answered yet.
	minTimeout   = 5 * time.Second
	maxTimeout   = 20 * time.Second
	firstTimeout = 15 * time.Second
	// slack is how many times the expected time a request may take.
	slack = 4
)

// estimate is how fast a peer answers requests of a kind.
type estimate struct {
	rate float64 // items a second, the latency counted in. Zero: not known
	last int     // items that the peer has delivered at once
}

func newEstimate(k Kind) estimate { return estimate{last: (start[k] + 1) / 2} }

// batch is how many items the next request should have. It grows by no more than twice.
func (e *estimate) batch(k Kind, latency time.Duration) int {
	n := 2 * e.last
	if e.rate > 0 {
		n = min(n, int(e.rate*(target+min(latency, maxLatency)).Seconds()))
	}
	return max(least[k], min(n, limits[k]))
}

// answered takes into account that a request for so many items had got of them after took.
func (e *estimate) answered(k Kind, asked, got int, took time.Duration) {
	if got == 0 {
		return
	}
	rate := float64(got) / max(took, time.Millisecond).Seconds()
	if e.rate == 0 {
		e.rate = rate
	} else {
		e.rate += 0.3 * (rate - e.rate)
	}
	if got < asked && k != Headers {
		e.last = got // more does not fit in a message
	} else {
		e.last = max(e.last, got)
	}
}

// timedOut takes into account that a request for so many items was not answered.
func (e *estimate) timedOut(asked int) {
	e.rate /= 2
	e.last = max(1, asked/4)
}

// expected is how long a request for n items should take.
func (e *estimate) expected(n int, latency time.Duration) time.Duration {
	if e.rate == 0 {
		return target
	}
	return latency + time.Duration(float64(n)/e.rate*float64(time.Second))
}

// timeout is how long a request for n items may take.
func (e *estimate) timeout(n int, latency time.Duration) time.Duration {
	if e.rate == 0 && latency == 0 {
		return firstTimeout
	}
	return max(minTimeout, min(slack*e.expected(n, latency), maxTimeout))
}

package nat

import "time"

// epochClock detects in a router's clock that the router lost its mappings: RFC 6887 §8.5, which
// also applies to NAT-PMP (RFC 6886 §3.6).
type epochClock struct {
	last Epoch
	at   time.Time
}

// reset records a reading and reports whether the clock was reset since the last one.
func (c *epochClock) reset(now time.Time, e Epoch) bool {
	if !e.Known {
		return false
	}
	before, at := c.last, c.at
	c.last, c.at = e, now
	if !before.Known {
		return false
	}
	if e.Seconds+1 < before.Seconds && before.Seconds-e.Seconds > 1 {
		return true
	}
	if e.Loose || e.Seconds == before.Seconds {
		return false // some routers have a clock that stands still; a reboot doesn't reach the same second
	}
	ours, theirs := now.Sub(at).Seconds(), float64(e.Seconds)-float64(before.Seconds)
	return ours+2 < theirs-theirs/16 || theirs+2 < ours-ours/16
}

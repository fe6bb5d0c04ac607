package nat

import "time"

// epochClock watches a router's clock for signs that it has lost its mappings: RFC 6887
// §8.5, which serves NAT-PMP (RFC 6886 §3.6) as well.
type epochClock struct {
	last Epoch
	at   time.Time
}

// reset says whether the clock started over since it was last seen.
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
		return false // there are routers whose clock stands still; a reboot doesn't hit the same second
	}
	ours, theirs := now.Sub(at).Seconds(), float64(e.Seconds)-float64(before.Seconds)
	return ours+2 < theirs-theirs/16 || theirs+2 < ours-ours/16
}

package node

import "time"

// pace lets no more than perSecond things begin within any second.
type pace struct {
	perSecond int

	begun []time.Time // the last perSecond of them, oldest first
}

// wait is how long until the next may begin.
func (p *pace) wait(now time.Time) time.Duration {
	if len(p.begun) < p.perSecond {
		return 0
	}
	return max(0, p.begun[0].Add(time.Second).Sub(now))
}

// begin takes down that one has begun.
func (p *pace) begin(now time.Time) {
	if len(p.begun) >= p.perSecond {
		p.begun = append(p.begun[:0], p.begun[1:]...)
	}
	p.begun = append(p.begun, now)
}

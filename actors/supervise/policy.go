package supervise

import (
	"fmt"
	"time"
)

// Restart says when a child is started again, in the words of Erlang/OTP.
type Restart uint8

const (
	Transient Restart = iota // restarted after a failure, not after an end of its own
	Permanent                // always restarted
	Temporary                // never restarted
)

func (r Restart) String() string {
	switch r {
	case Transient:
		return "transient"
	case Permanent:
		return "permanent"
	case Temporary:
		return "temporary"
	}
	return "unknown"
}

// Intensity is how many restarts within how long a supervisor puts up with. The
// zero value means 5 a minute; a negative number of Restarts, no limit.
type Intensity struct {
	Restarts int
	Within   time.Duration
}

func (i Intensity) String() string { return fmt.Sprintf("%d in %v", i.Restarts, i.Within) }

// Policy is how one child is restarted. Backoff starts with First, goes on with
// Min and doubles up to Max; a child that has lived for Forget starts anew.
type Policy struct {
	Restart   Restart
	Intensity Intensity
	First     time.Duration
	Min, Max  time.Duration
	Forget    time.Duration
}

// Resident is the policy of the node's long-lived actors: they are always
// restarted, never given up, and never take a link down.
var Resident = Policy{
	Restart:   Permanent,
	Intensity: Intensity{Restarts: -1},
	First:     time.Second, Min: 2 * time.Second, Max: time.Minute,
	Forget: 2 * time.Minute,
}

// ServicePolicy is that of a protocol's service: back as soon as a link's actor would be,
// but never given up, because no link is to go down with it.
var ServicePolicy = Policy{
	Restart:   Permanent,
	Intensity: Intensity{Restarts: -1},
	Min:       10 * time.Millisecond, Max: time.Second,
	Forget: 10 * time.Second,
}

// LinkChild is the policy of a child of a link: back at once the first time,
// then more slowly, so that a storm costs its siblings nothing.
func LinkChild(r Restart, i Intensity) *Policy {
	return &Policy{
		Restart: r, Intensity: i,
		Min: 10 * time.Millisecond, Max: time.Second,
		Forget: 10 * time.Second,
	}
}

// history is what a supervisor remembers of one child's failures. It is a plain
// value: what to do next follows from it, the policy and the time.
type history struct {
	policy Policy
	recent []time.Time // failures within the intensity's window, oldest first
	last   time.Time   // the last failure
	streak int         // failures without Forget of health between them
}

func newHistory(p Policy) history {
	if p.Intensity == (Intensity{}) {
		p.Intensity = Intensity{Restarts: 5, Within: time.Minute}
	}
	return history{policy: p}
}

// failed records a failure and says what follows: a restart after backoff, or
// the end of the supervisor's patience.
func (h *history) failed(now time.Time) (backoff time.Duration, exhausted bool) {
	p := h.policy
	if p.Restart == Temporary {
		return 0, true
	}
	if !h.last.IsZero() && now.Sub(h.last) >= p.Forget+h.backoff() {
		h.streak = 0
	}
	h.last = now
	h.streak++
	if p.Intensity.Restarts < 0 {
		return h.backoff(), false
	}
	keep := 0
	for keep < len(h.recent) && now.Sub(h.recent[keep]) >= p.Intensity.Within {
		keep++
	}
	h.recent = append(h.recent[:0], h.recent[keep:]...)
	if len(h.recent) >= p.Intensity.Restarts {
		return 0, true
	}
	h.recent = append(h.recent, now)
	return h.backoff(), false
}

// backoff is the wait before the restart that follows the current streak.
func (h *history) backoff() time.Duration {
	if h.streak <= 1 {
		return h.policy.First
	}
	d := h.policy.Min
	for range h.streak - 2 {
		if d *= 2; d >= h.policy.Max {
			return h.policy.Max
		}
	}
	return d
}

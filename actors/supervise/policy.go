package supervise

import (
	"fmt"
	"time"
)

// Restart decides when a child is started again, in the terms of Erlang/OTP.
type Restart uint8

const (
	Transient Restart = iota // restarted after a failure, not after it stopped by itself
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

// Intensity is how many restarts a supervisor allows within a time. The zero value means 5 a
// minute; a negative number of Restarts means no limit.
type Intensity struct {
	Restarts int
	Within   time.Duration
}

func (i Intensity) String() string { return fmt.Sprintf("%d in %v", i.Restarts, i.Within) }

// Policy is how one child is restarted. The first backoff is First, the next is Min, then it
// doubles up to Max. A child that ran for Forget without a failure starts anew.
type Policy struct {
	Restart   Restart
	Intensity Intensity
	First     time.Duration
	Min, Max  time.Duration
	Forget    time.Duration
}

// Resident is the policy of the node's long-lived actors: they are always restarted, never
// stopped for good, and never end a link.
var Resident = Policy{
	Restart:   Permanent,
	Intensity: Intensity{Restarts: -1},
	First:     time.Second, Min: 2 * time.Second, Max: time.Minute,
	Forget: 2 * time.Minute,
}

// ServicePolicy is the policy of a protocol's service: restarted as fast as a link's actor, but
// never stopped for good, because it must not end a link.
var ServicePolicy = Policy{
	Restart:   Permanent,
	Intensity: Intensity{Restarts: -1},
	Min:       10 * time.Millisecond, Max: time.Second,
	Forget: 10 * time.Second,
}

// LinkChild is the policy of a child of a link: restarted at once the first time, then more
// slowly, so that a series of crashes costs its siblings nothing.
func LinkChild(r Restart, i Intensity) *Policy {
	if i == (Intensity{}) {
		return linkChildren[r]
	}
	return newLinkChild(r, i)
}

// linkChildren are the policies of the children without an Intensity of their own. All links share
// them.
var linkChildren = [...]*Policy{
	Transient: newLinkChild(Transient, Intensity{}),
	Permanent: newLinkChild(Permanent, Intensity{}),
	Temporary: newLinkChild(Temporary, Intensity{}),
}

func newLinkChild(r Restart, i Intensity) *Policy {
	return &Policy{
		Restart: r, Intensity: i,
		Min: 10 * time.Millisecond, Max: time.Second,
		Forget: 10 * time.Second,
	}
}

// history is what a supervisor remembers of one child's failures. It is a plain value: the next
// step follows from it, the policy and the time.
type history struct {
	policy Policy
	recent []time.Time // failures within the intensity's window, oldest first
	last   time.Time   // the last failure
	streak int         // failures without Forget of uptime between them
}

func newHistory(p Policy) history {
	if p.Intensity == (Intensity{}) {
		p.Intensity = Intensity{Restarts: 5, Within: time.Minute}
	}
	return history{policy: p}
}

// failed records a failure. It returns the backoff before the restart; exhausted is true when the
// child has used up its restarts.
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

// backoff returns the wait before the restart that follows the current streak.
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

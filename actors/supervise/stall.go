package supervise

import "time"

const (
	// lookEvery is the interval at which a Watch looks at the clocks.
	lookEvery = time.Second
	// stallLimit is how much later than planned a look must come to count as a stall. Less is a
	// busy machine.
	stallLimit = 5 * time.Second
	// jumpLimit is how far the wall clock must move against the steady one to count as a jump. Less
	// is a correction, as NTP makes it.
	jumpLimit = 5 * time.Second
	// maxStalls is how many stalls are remembered.
	maxStalls = 8
)

// stalls says from what is seen of the clocks when the node did not run. It is a plain value.
type stalls struct {
	at, wall time.Time // of the last look; zero: there was none
	list     []stall   // the last ones, in order
}

// stall is a time during which the node did not run: the process was stopped, or the machine was
// suspended or its processors were given to others.
type stall struct{ from, to time.Time }

// look compares the steady time and the wall clock with those of the last look, which was planned
// for lookEvery ago or less. stalled is for how long the node did not run in between, and jumped
// how far the wall clock was set, forward or, if negative, back; either is 0 if there is nothing
// that matters.
func (s *stalls) look(at, wall time.Time) (stalled, jumped time.Duration) {
	before, wallBefore := s.at, s.wall
	if !before.IsZero() && at.Before(before) {
		return 0, 0 // two looks at the same time, in the other order
	}
	s.at, s.wall = at, wall
	if before.IsZero() {
		return 0, 0
	}
	passed := at.Sub(before)
	if late := passed - lookEvery; late >= stallLimit {
		stalled = late
		if len(s.list) == maxStalls {
			s.list = append(s.list[:0], s.list[1:]...)
		}
		s.list = append(s.list, stall{at.Add(-late), at})
	}
	if d := wall.Sub(wallBefore) - passed; d.Abs() >= jumpLimit {
		jumped = d
	}
	return stalled, jumped
}

// lost returns for how long the node did not run since then.
func (s *stalls) lost(since time.Time) (d time.Duration) {
	for _, one := range s.list {
		if one.from.After(since) {
			d += one.to.Sub(one.from)
		} else if one.to.After(since) {
			d += one.to.Sub(since)
		}
	}
	return d
}

// resumed returns the end of the last stall, zero if there was none.
func (s *stalls) resumed() time.Time {
	if len(s.list) == 0 {
		return time.Time{}
	}
	return s.list[len(s.list)-1].to
}

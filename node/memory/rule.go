package memory

import "time"

const (
	// interval is the time between two readings.
	interval = 5 * time.Second
	// quietReadings is how many readings in a row must be quiet.
	quietReadings = 3
	// soon is the time within which the collector runs by itself in a process that is not quiet.
	soon = time.Minute
	// pause is the least time between two releases.
	pause = time.Minute
	// slack is how many bytes the process may hold beyond what it once got by with. For large
	// processes, whose collections cost more, it is a part of that, see share.
	slack = 16 << 20
	share = 16
)

// Reading is the memory of a process at one time, in bytes.
type Reading struct {
	Held      uint64 // what the process has from the operating system
	Objects   uint64 // on the heap: in use, or not collected yet
	Goal      uint64 // of the heap: the collector runs when Objects reaches it
	Allocated uint64 // on the heap since the process began
}

// rule decides when to release memory: when the process holds more than slack beyond its floor,
// and has been quiet for some time. It is quiet while it allocates so little that the collector
// does not run soon.
type rule struct {
	floor   uint64    // least held since the last release
	last    Reading   // the reading before; zero: none
	lastAt  time.Time // of last
	quiet   int       // readings in a row that were quiet
	release time.Time // the last one; zero: none
}

// due reports whether memory is to be released now. After the release, call released.
func (r *rule) due(now time.Time, m Reading) bool {
	last, since := r.last, now.Sub(r.lastAt)
	r.last, r.lastAt = m, now
	if last == (Reading{}) {
		r.floor = m.Held
		return false
	}
	r.floor = min(r.floor, m.Held)
	if runsSoon(m, m.Allocated-last.Allocated, since) {
		r.quiet = 0
		return false
	}
	r.quiet++
	return r.quiet >= quietReadings &&
		m.Held > r.floor+max(slack, r.floor/share) &&
		(r.release.IsZero() || now.Sub(r.release) >= pause)
}

// runsSoon reports whether the collector runs soon if the process goes on as it did during since,
// in which it allocated these bytes.
func runsSoon(m Reading, allocated uint64, since time.Duration) bool {
	left := m.Goal - min(m.Goal, m.Objects)
	return float64(allocated)*soon.Seconds() >= float64(left)*since.Seconds()
}

// released records a release and what is left after it. What could not be released is in use: it
// is the new floor, so that one peak leads to one release.
func (r *rule) released(now time.Time, m Reading) {
	*r = rule{floor: m.Held, last: m, lastAt: now, release: now}
}

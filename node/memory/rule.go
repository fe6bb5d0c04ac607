package memory

import "time"

const (
	// interval is the time between two readings.
	interval = 5 * time.Second
	// quietReadings is how many readings in a row must be quiet.
	quietReadings = 3
	// soon is the time within which the collector runs by itself in a process that is not quiet.
	soon = time.Minute
	// pause is the least time between the releases of two peaks.
	pause = time.Minute
	// tries is how many releases one peak leads to at most. The first one may come too early: links of
	// attackers that have not ended yet hold memory.
	tries = 4
	// again is the time between the first two tries. It doubles with each further one.
	again = 20 * time.Second
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
	floor   uint64    // what the process got by with: least held since the last peak was over
	tried   int       // releases for the present peak
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
		m.Held > r.most() &&
		(r.release.IsZero() || now.Sub(r.release) >= r.pause())
}

// pause returns the least time between the last release and the next.
func (r *rule) pause() time.Duration {
	if r.tried == 0 {
		return pause
	}
	return again << (r.tried - 1)
}

// runsSoon reports whether the collector runs soon if the process goes on as it did during since,
// in which it allocated these bytes.
func runsSoon(m Reading, allocated uint64, since time.Duration) bool {
	left := m.Goal - min(m.Goal, m.Objects)
	return float64(allocated)*soon.Seconds() >= float64(left)*since.Seconds()
}

// released records a release and what is left after it. What several releases could not return is in
// use: it is the new floor.
func (r *rule) released(now time.Time, m Reading) {
	*r = rule{floor: min(r.floor, m.Held), tried: r.tried + 1, last: m, lastAt: now, release: now}
	if m.Held <= r.most() || r.tried == tries {
		r.floor, r.tried = m.Held, 0
	}
}

// most is what the process may hold without a release.
func (r *rule) most() uint64 { return r.floor + max(slack, r.floor/share) }

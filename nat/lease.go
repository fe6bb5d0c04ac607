package nat

import "time"

const (
	// lifetime is the requested lease time. It is long enough that a router's restart matters more
	// than renewals, and short enough that the rules of a killed node expire soon.
	lifetime = time.Hour
	// minRenewal and maxRenewal bound the renewal time, whatever lease a router grants: one second
	// would cause requests without pause, 2³² seconds would cause none at all.
	minRenewal = 2 * time.Second
	maxRenewal = 12 * time.Hour
	// portTries is how many derived ports a node requests if its first port is taken.
	portTries = 4
	// doubtFirst is how long a mapping may stay without proof before it is made again. Each
	// unsuccessful attempt doubles that, up to doubtMax.
	doubtFirst = 2 * time.Minute
	doubtMax   = 30 * time.Minute
	// verifyEvery is the interval of lookups in the router's own list.
	verifyEvery = time.Minute
)

// leaseRetry is the wait before a refused port is requested again at the same router.
var leaseRetry = backoff{first: time.Second, cap: 5 * time.Minute}

// lease is one local port at one router.
type lease struct {
	node     [32]byte // the node ID, for derived ports
	protocol Protocol
	internal InternalPort

	// The next request.
	ask  ExternalPort // the last granted port; at first the local port
	wish wish         // its form

	// The mapping.
	by      Mapper // the router that granted it; nil: there is no mapping
	held    Mapping
	since   time.Time // of the last grant
	renewAt time.Time
	endsAt  time.Time // zero: never, because no router granted it
	proved  bool      // a remote has connected since it was made

	// Planned actions.
	verifyAt time.Time     // zero: the router has no list
	doubtAt  time.Time     // make the mapping again at this time, unless proved
	doubt    time.Duration // the wait until then

	// Failures.
	failures int
	retryAt  time.Time
	err      error

	op uint64 // the pending call; 0: none
}

// fresh clears everything learned about the router, because another one may answer next. The port
// is kept.
func (l *lease) fresh() {
	l.wish = wish{}
	l.failures, l.retryAt, l.err = 0, time.Time{}, nil
	l.op = 0
}

// request returns the next request to the router.
func (l *lease) request() Request {
	r := Request{Protocol: l.protocol, Internal: l.internal, External: l.ask, Any: l.wish.any}
	if l.wish.free {
		r.External = 0
	}
	switch l.wish.term {
	case forHour:
		r.Lifetime = lifetime
	case forHalfHour:
		r.Lifetime = lifetime / 2
	}
	return r
}

// granted records a grant. random is from [0,1).
func (l *lease) granted(now time.Time, by Mapper, m Mapping, random float64) {
	anew := l.by != by || l.held.External != m.External || l.held.IP != m.IP
	l.by, l.held, l.ask, l.since = by, m, m.External, now
	l.wish = l.wish.settled()
	l.failures, l.retryAt, l.err = 0, time.Time{}, nil
	l.renewAt, l.endsAt = time.Time{}, time.Time{}
	if !by.Caps().Maps {
		l.verifyAt, l.doubtAt = time.Time{}, time.Time{}
		return
	}
	term := m.Lifetime
	if m.Permanent {
		term = lifetime // it doesn't end, but is renewed as if it did
	}
	l.endsAt = now.Add(term)
	l.renewAt = now.Add(renewal(term, random))
	if by.Caps().List {
		l.verifyAt = now.Add(verifyEvery)
	}
	if anew {
		l.proved = false
		l.doubt, l.doubtAt = doubtFirst, now.Add(doubtFirst)
	}
}

// renewal returns the wait until the renewal: half of the granted time, less up to a tenth of that
// at random.
func renewal(term time.Duration, random float64) time.Duration {
	half := term / 2
	half -= time.Duration(random * float64(half) / 10)
	return min(max(half, minRenewal), maxRenewal)
}

// refused records a failure. It returns true if the request, changed by what the failure showed,
// must be repeated at once.
func (l *lease) refused(now time.Time, by Mapper, err error, random float64) (again bool) {
	l.err = err
	next, ok := l.wish.after(causeOf(err), by.Caps())
	if ok {
		switch {
		case next.tried > l.wish.tried:
			l.ask = derivedPort(l.node, l.wish.tried)
		case next.same && !l.wish.same:
			l.ask = ExternalPort(l.internal)
		}
		l.wish = next
		return true
	}
	if l.wish.tried > 0 {
		l.ask = ExternalPort(l.internal)
	}
	l.wish = l.wish.settled()
	l.failures++
	l.retryAt = now.Add(leaseRetry.after(l.failures, random))
	if l.by != nil {
		l.renewAt = l.retryAt
	}
	return false
}

// drop removes the mapping but keeps its port.
func (l *lease) drop() {
	l.by, l.held = nil, Mapping{}
	l.renewAt, l.endsAt, l.verifyAt, l.doubtAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	l.proved = false
}

// ended reports whether the lease has ended.
func (l *lease) ended(now time.Time) bool {
	return l.by != nil && !l.endsAt.IsZero() && !now.Before(l.endsAt)
}

// seen records the router's own entry for a mapping that still exists.
func (l *lease) seen(now time.Time, m Mapping) {
	// A router may have shortened the lease. Its list gives the remaining time in seconds, so a
	// difference of a few seconds means nothing.
	if left := m.Lifetime; !m.Permanent && left > 0 && left+5*time.Second < l.endsAt.Sub(now) {
		l.endsAt = now.Add(left)
		if at := now.Add(renewal(left, 0)); at.Before(l.renewAt) {
			l.renewAt = at
		}
	}
}

// inbound records that a remote connected through the mapping.
func (l *lease) inbound(now time.Time) {
	if l.by == nil {
		return
	}
	l.proved = true
	l.doubt, l.doubtAt = doubtFirst, now.Add(doubtFirst)
}

// doubted records that the mapping is being made again because it has no proof.
func (l *lease) doubted(now time.Time) {
	l.proved = false
	l.doubt = min(2*l.doubt, doubtMax)
	l.doubtAt = now.Add(l.doubt)
}

// renewSoon moves the next renewal forward to now, or to gap after the last grant if that is later.
func (l *lease) renewSoon(now time.Time, gap time.Duration) {
	if l.by == nil || l.renewAt.IsZero() {
		return
	}
	if at := l.since.Add(gap); at.After(now) {
		now = at
	}
	l.renewAt = earliest(l.renewAt, now)
}

// next returns the time at which this lease needs an action; zero means never.
func (l *lease) next() time.Time {
	if l.op != 0 {
		return time.Time{}
	}
	if l.by == nil {
		return l.retryAt
	}
	return earliest(l.renewAt, l.verifyAt, l.doubtAt, l.retryAt, l.endsAt)
}

// earliest returns the earliest of the nonzero times.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

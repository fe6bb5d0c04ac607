package nat

import "time"

const (
	// lifetime is what we ask for. Long enough that a router's restart matters more
	// than renewals, short enough that a killed node's rules do not stay for long.
	lifetime = time.Hour
	// minRenewal and maxRenewal bound what a router can make of a lease: one second
	// would have us ask without pause, 2³² seconds never.
	minRenewal = 2 * time.Second
	maxRenewal = 12 * time.Hour
	// portTries is how many ports of its own a node asks for where its first is taken.
	portTries = 4
	// doubtFirst is how long a mapping may go without proof before it is made anew;
	// each time in vain doubles that, up to doubtMax.
	doubtFirst = 2 * time.Minute
	doubtMax   = 30 * time.Minute
	// verifyEvery is how often the router's own list is asked.
	verifyEvery = time.Minute
)

// leaseRetry is the wait before a port that a router refused is asked for again there.
var leaseRetry = backoff{first: time.Second, cap: 5 * time.Minute}

// lease is one port of ours at one router.
type lease struct {
	node     [32]byte // whose derived ports to try
	protocol Protocol
	internal InternalPort

	// What to ask for.
	ask       ExternalPort // the last one that was granted; at first our own
	any       bool         // the router may choose: it said that ask is in use
	permanent bool         // the router knows nothing else
	tried     int          // derived ports asked for since the last fresh start

	// What we have.
	by      Mapper // who granted it; nil: nothing
	held    Mapping
	since   time.Time // of the last grant
	renewAt time.Time
	endsAt  time.Time // zero: never, because it isn't the router that gave it
	proved  bool      // somebody has come in since it was made

	// What is planned.
	verifyAt time.Time     // zero: the router has no list
	doubtAt  time.Time     // make it anew then, unless proved
	doubt    time.Duration // and wait for so long

	// What failed.
	failures int
	retryAt  time.Time
	err      error

	op uint64 // the call under way; 0: none
}

// fresh forgets what was learned about a router, because another one may answer now.
// The port stays.
func (l *lease) fresh() {
	l.any, l.permanent, l.tried = false, false, 0
	l.failures, l.retryAt, l.err = 0, time.Time{}, nil
	l.op = 0
}

// request is what to ask the router for next.
func (l *lease) request() Request {
	r := Request{Protocol: l.protocol, Internal: l.internal, External: l.ask, Any: l.any, Lifetime: lifetime}
	if l.permanent {
		r.Lifetime = 0
	}
	return r
}

// granted takes in what the router gave. random is from [0,1).
func (l *lease) granted(now time.Time, by Mapper, m Mapping, random float64) {
	anew := l.by != by || l.held.External != m.External || l.held.IP != m.IP
	l.by, l.held, l.ask, l.since = by, m, m.External, now
	l.failures, l.retryAt, l.err = 0, time.Time{}, nil
	l.renewAt, l.endsAt = time.Time{}, time.Time{}
	if !by.Caps().Maps {
		l.verifyAt, l.doubtAt = time.Time{}, time.Time{}
		return
	}
	term := m.Lifetime
	if m.Permanent {
		term = lifetime // it doesn't end, but we look after it as if it did
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

// renewal is half of the time granted, less up to a tenth of that at random.
func renewal(term time.Duration, random float64) time.Duration {
	half := term / 2
	half -= time.Duration(random * float64(half) / 10)
	return min(max(half, minRenewal), maxRenewal)
}

// refused takes in a failure and says whether to ask again at once, with what was
// learned from it.
func (l *lease) refused(now time.Time, by Mapper, err error, random float64) (again bool) {
	l.err = err
	switch causeOf(err) {
	case OnlyPermanent:
		if !l.permanent {
			l.permanent = true
			return true
		}
	case PortInUse:
		if by.Caps().Any && !l.any {
			l.any = true
			return true
		}
		if l.tried < portTries {
			l.ask, l.tried = derivedPort(l.node, l.tried), l.tried+1
			return true
		}
		l.ask = ExternalPort(l.internal)
	case Unsupported:
		if l.any { // the description promised a call that isn't there
			l.any = false
			l.ask, l.tried = derivedPort(l.node, l.tried), l.tried+1
			return l.tried <= portTries
		}
	}
	l.failures++
	l.retryAt = now.Add(leaseRetry.after(l.failures, random))
	if l.by != nil {
		l.renewAt = l.retryAt
	}
	return false
}

// drop forgets the mapping, not its port.
func (l *lease) drop() {
	l.by, l.held = nil, Mapping{}
	l.renewAt, l.endsAt, l.verifyAt, l.doubtAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	l.proved = false
}

// ended says whether the mapping's time is over.
func (l *lease) ended(now time.Time) bool {
	return l.by != nil && !l.endsAt.IsZero() && !now.Before(l.endsAt)
}

// seen takes in the router's view of a mapping that it still has.
func (l *lease) seen(now time.Time, m Mapping) {
	// A router may have cut the lease short. Its list says how much is left, in
	// seconds, so a difference of a few means nothing.
	if left := m.Lifetime; !m.Permanent && left > 0 && left+5*time.Second < l.endsAt.Sub(now) {
		l.endsAt = now.Add(left)
		if at := now.Add(renewal(left, 0)); at.Before(l.renewAt) {
			l.renewAt = at
		}
	}
}

// inbound takes in the proof that the mapping carries something.
func (l *lease) inbound(now time.Time) {
	if l.by == nil {
		return
	}
	l.proved = true
	l.doubt, l.doubtAt = doubtFirst, now.Add(doubtFirst)
}

// doubted says that the mapping is being made anew for want of proof.
func (l *lease) doubted(now time.Time) {
	l.proved = false
	l.doubt = min(2*l.doubt, doubtMax)
	l.doubtAt = now.Add(l.doubt)
}

// renewSoon brings the next renewal forward, to so long after the last one at the earliest.
func (l *lease) renewSoon(now time.Time, gap time.Duration) {
	if l.by == nil || l.renewAt.IsZero() {
		return
	}
	if at := l.since.Add(gap); at.After(now) {
		now = at
	}
	l.renewAt = earliest(l.renewAt, now)
}

// next is when this lease wants attention, zero if never.
func (l *lease) next() time.Time {
	if l.op != 0 {
		return time.Time{}
	}
	if l.by == nil {
		return l.retryAt
	}
	return earliest(l.renewAt, l.verifyAt, l.doubtAt, l.retryAt, l.endsAt)
}

// earliest is the first of the times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

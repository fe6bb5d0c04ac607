package nat

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

const (
	// readEvery is the interval at which a router is asked for its address and clock. readSoon is
	// the interval after a failed reading.
	readEvery = 10 * time.Second
	readSoon  = 3 * time.Second
	// readSlowly is the interval for STUN servers, which others pay for.
	readSlowly = 2 * time.Minute
	// readTries is the number of failed readings in a row that starts a new search.
	readTries = 2
	// searchGap is the minimum time between the starts of two searches.
	searchGap = 3 * time.Second
	// memoryOfRouter is how long searches stay frequent after a router was lost.
	memoryOfRouter = 10 * time.Minute
	// maxSeen bounds the number of announcing devices that are remembered.
	maxSeen = 32
)

// grace is how long a router that answered waits for one with a preferred method. A router that
// speaks both NAT-PMP and PCP speaks them on the same port, so both answers arrive at the same
// time.
func grace(m Method) time.Duration {
	switch m {
	case MethodPCP:
		return 0
	case MethodPMP:
		return 50 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// The waits between unsuccessful searches. The reason for the failure selects one.
var (
	searchLost    = backoff{first: time.Second, cap: 5 * time.Second}       // a router served us recently
	searchRefused = backoff{first: 2 * time.Second, cap: 5 * time.Minute}   // a router answers but refuses
	searchDouble  = backoff{first: 30 * time.Second, cap: 30 * time.Minute} // a router answers but its address is not public
	searchNothing = backoff{first: time.Minute, cap: 30 * time.Minute}      // no router answers
)

// machine decides what to do next. Its methods receive events with their time, and append actions
// to out. One goroutine uses it. It does not survive a crash; memory does.
type machine struct {
	random func() float64
	now    time.Time
	out    []any

	state  State
	since  time.Time
	leases []*lease

	// Searching.
	search     uint64 // number of the current or last search
	searching  bool   // a search is running
	again      bool   // an event during the search requires another one
	found      []Mapper
	graceUntil time.Time
	trial      *trial
	problems   []error // of the current or last search
	failures   int     // unsuccessful searches in a row, for the same reason
	waiting    backoff // the backoff for that reason
	nextSearch time.Time
	lastSearch time.Time
	answered   bool // a router answered the current search

	// Holding.
	router       Mapper // nil: none
	external     netip.Addr
	other        netip.Addr // of the other family; invalid: none
	clock        epochClock
	readOp       uint64
	readAt       time.Time
	readFailures int
	lastHeld     time.Time // when a router last served us
	here, heldAt string    // the local networks, now and when the router was adopted
	seen         map[device]string

	memory *memory
}

// trial is a router that answered and is being tested.
type trial struct {
	mapper   Mapper
	readOp   uint64
	external netip.Addr
	other    netip.Addr
	epoch    Epoch
	at       time.Time // when the clock was read
}

// device identifies the sender of an announcement.
type device struct {
	addr netip.Addr
	id   string
}

// memory survives a crash of the actor. It contains what was announced, and what each router
// granted. It is written when no operation is pending.
type memory struct {
	lastOp    uint64
	published ExternalAddress
	lastIP    netip.Addr // the last address that was published; it stays when the address is withdrawn
	gaveUp    string
	external  netip.Addr
	other     netip.Addr
	lastHeld  time.Time
	ports     map[Protocol]remembered
}

type remembered struct {
	ask    ExternalPort
	by     Mapper
	held   Mapping
	endsAt time.Time
}

// port is a local port to be mapped.
type port struct {
	protocol Protocol
	internal InternalPort
}

func newMachine(node [32]byte, ports []port, random func() float64, mem *memory) *machine {
	m := &machine{random: random, memory: mem, seen: map[device]string{}, external: mem.external, other: mem.other, lastHeld: mem.lastHeld}
	for _, p := range ports {
		l := &lease{node: node, protocol: p.protocol, internal: p.internal, ask: ExternalPort(p.internal)}
		if r, ok := mem.ports[p.protocol]; ok {
			l.ask, l.by, l.held, l.endsAt = r.ask, r.by, r.held, r.endsAt
		}
		m.leases = append(m.leases, l)
	}
	return m
}

func (m *machine) do(action any) { m.out = append(m.out, action) }

// op returns the next call number. The numbers continue after a crash, because results of earlier
// calls may still arrive.
func (m *machine) op() uint64 { m.memory.lastOp++; return m.memory.lastOp }

func (m *machine) log(event string, by Mapper, words string, err error) {
	r := record{event: event, words: words, err: err}
	if by != nil {
		r.method, r.router = by.Method(), by.Router()
	}
	m.do(doRecord(r))
}

// start starts the first search.
func (m *machine) start(now time.Time) {
	m.now, m.since = now, now
	m.beginSearch()
}

// tick performs all actions that are due.
func (m *machine) tick(now time.Time) {
	m.now = now
	m.expire()
	switch {
	case m.trial != nil:
	case m.searching:
		if len(m.found) > 0 && !now.Before(m.graceUntil) {
			m.tryNext()
		}
	case !m.nextSearch.IsZero() && !now.Before(m.nextSearch):
		m.beginSearch()
	case m.router != nil:
		m.maintain()
	}
	m.settle()
}

// next returns the time at which tick must be called; zero means never.
func (m *machine) next() time.Time {
	switch {
	case m.trial != nil:
		return m.firstEnd()
	case m.searching:
		if len(m.found) > 0 {
			return m.graceUntil
		}
		return m.firstEnd()
	}
	at := earliest(m.nextSearch, m.firstEnd())
	if m.router != nil {
		if m.readOp == 0 {
			at = earliest(at, m.readAt)
		}
		for _, l := range m.leases {
			at = earliest(at, l.next())
		}
	}
	return at
}

func (m *machine) firstEnd() (at time.Time) {
	for _, l := range m.leases {
		if l.by != nil {
			at = earliest(at, l.endsAt)
		}
	}
	return at
}

// expire drops the mappings whose lease has ended, and has them asked for again: leases end without
// a failed renewal when this node did not run for a time.
func (m *machine) expire() {
	for _, l := range m.leases {
		if l.ended(m.now) {
			m.log(eventLost, l.by, describe(l.held)+" expired", l.err)
			l.drop()
			l.retryAt = cmp.Or(l.retryAt, m.now)
		}
	}
}

// onResumed handles the end of a time during which this node did not run, or a jump of the wall
// clock, which may be due to that. Meanwhile the router may have lost the mappings.
func (m *machine) onResumed(now time.Time) {
	if m.router != nil && !m.readAt.IsZero() {
		m.readAt = now
	}
	for _, l := range m.leases {
		l.renewSoon(now, searchGap)
	}
	m.tick(now)
}

// maintain performs the due work at the router that serves us: readings of address and clock,
// renewals, lookups in the router's list, and the replacement of mappings that no remote has used.
func (m *machine) maintain() {
	if m.readOp == 0 && !m.readAt.IsZero() && !m.now.Before(m.readAt) {
		m.readOp = m.op()
		m.do(doRead{op: m.readOp, mapper: m.router})
	}
	due := func(t time.Time) bool { return !t.IsZero() && !m.now.Before(t) }
	for _, l := range m.leases {
		switch {
		case l.op != 0:
		case l.by == nil && due(l.retryAt), l.by != nil && (due(l.renewAt) || due(l.retryAt)):
			m.ask(l, m.router)
		case l.by == nil:
		case due(l.doubtAt):
			l.doubted(m.now)
			l.op = m.op()
			m.do(doUnmap{op: l.op, mapper: m.router, mapping: l.held})
		case due(l.verifyAt):
			l.op = m.op()
			m.do(doVerify{op: l.op, mapper: m.router, mapping: l.held})
		}
	}
}

// ask sends the lease's request to a router.
func (m *machine) ask(l *lease, to Mapper) {
	l.op = m.op()
	m.do(doMap{op: l.op, mapper: to, request: l.request()})
}

// settle ends every step. If no operation is pending, it publishes the address if that changed.
func (m *machine) settle() {
	if !m.searching && m.trial == nil && m.again {
		m.again = false
		m.planSearch(m.lastSearch.Add(searchGap))
	}
	if m.settled() {
		m.publish()
		m.remember()
	}
	m.setState()
}

// settleTries is how many failures of a port are awaited before the other ports are announced
// without it. Waiting a few seconds saves a second announcement.
const settleTries = 3

// settled reports whether no pending operation is about to change the announcement.
func (m *machine) settled() bool {
	return !m.searching && m.trial == nil && !slices.ContainsFunc(m.leases, func(l *lease) bool {
		return l.op != 0 || m.router != nil && l.by == nil && l.failures > 0 && l.failures <= settleTries
	})
}

func (m *machine) setState() {
	s := m.state
	held, sound := 0, m.router != nil && m.external.IsValid()
	for _, l := range m.leases {
		sound = sound && l.by != nil && l.err == nil
		if l.by != nil {
			held++
		}
	}
	switch {
	case sound:
		s = Mapped
	case held > 0:
		s = Degraded
	case m.searching || m.trial != nil:
		// Keep the last result while a new search runs.
		if s == Mapped || s == Degraded {
			s = Searching
		}
	case slices.ContainsFunc(m.problems, func(err error) bool { return causeOf(err) == NotPublic }):
		s = DoubleNAT
	default:
		s = Unmapped
	}
	if s != m.state {
		m.state, m.since = s, m.now
	}
}

// publish announces the address if it differs from the last announcement. A change of the
// confidence alone is not announced: the node would rewrite its record without need.
func (m *machine) publish() {
	a := m.address()
	old := m.memory.published
	m.memory.published = a
	if a.IP.IsValid() {
		m.memory.lastIP = a.IP
	}
	a.Confidence, old.Confidence = Unknown, Unknown
	if a != old {
		m.do(doPublish{m.memory.published})
	}
}

// address returns the address that may be announced.
func (m *machine) address() ExternalAddress {
	var a ExternalAddress
	if !m.external.IsValid() {
		return a
	}
	for _, l := range m.leases {
		if l.by == nil {
			continue
		}
		if a.Method == "" {
			a.IP, a.Other, a.Method, a.Router = m.external, m.other, l.by.Method(), l.by.Router().String()
			a.Confidence = confidence(l.by.Method())
		}
		if l.proved && a.Confidence < Proved {
			a.Confidence = Proved
		}
		switch l.protocol {
		case TCP:
			a.TCPPort = l.held.External
		case UDP:
			a.UDPPort = l.held.External
		}
	}
	return a
}

func confidence(m Method) Confidence {
	switch m {
	case MethodFixed, MethodListen:
		return Configured
	case MethodSTUN, MethodInterface:
		return Assumed
	}
	return Granted
}

func (m *machine) remember() {
	m.memory.external, m.memory.other, m.memory.lastHeld = m.external, m.other, m.lastHeld
	m.memory.ports = map[Protocol]remembered{}
	for _, l := range m.leases {
		m.memory.ports[l.protocol] = remembered{ask: l.ask, by: l.by, held: l.held, endsAt: l.endsAt}
	}
}

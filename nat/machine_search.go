package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// beginSearch starts a search for routers. Existing mappings are kept until they end or are granted
// again.
func (m *machine) beginSearch() {
	if m.router != nil {
		m.lastHeld = m.now
	}
	m.search = m.op()
	m.searching, m.answered, m.again = true, false, false
	m.lastSearch, m.nextSearch = m.now, time.Time{}
	m.found, m.problems, m.trial = nil, nil, nil
	m.router, m.readOp = nil, 0
	for _, l := range m.leases {
		l.fresh()
	}
	m.do(doSearch{m.search})
}

// planSearch schedules a search at the given time, unless one is scheduled earlier.
func (m *machine) planSearch(at time.Time) { m.nextSearch = earliest(m.nextSearch, at) }

// searchNow starts a search. If a search or a trial is running, it requests another one; if the
// last search was less than searchGap ago, it schedules one.
func (m *machine) searchNow() {
	switch at := m.lastSearch.Add(searchGap); {
	case m.searching || m.trial != nil:
		m.again = true
	case m.now.Before(at):
		m.planSearch(at)
	default:
		m.beginSearch()
	}
}

// onFound handles a router that answered the search.
func (m *machine) onFound(now time.Time, search uint64, mapper Mapper) {
	m.now = now
	if search != m.search || !m.searching {
		return
	}
	m.answered = true
	until := now.Add(grace(mapper.Method()))
	if len(m.found) == 0 || until.Before(m.graceUntil) {
		m.graceUntil = until
	}
	m.found = append(m.found, mapper)
	slices.SortStableFunc(m.found, func(a, b Mapper) int { return a.Method().rank() - b.Method().rank() })
	if m.trial == nil && !now.Before(m.graceUntil) {
		m.tryNext()
	}
	m.settle()
}

// onSearched handles the end of a search: no other router will answer.
func (m *machine) onSearched(now time.Time, search uint64, problems []error) {
	m.now = now
	if search != m.search || !m.searching {
		return
	}
	m.searching = false
	m.problems = append(m.problems, problems...)
	for _, err := range problems {
		// A router with a malformed answer exists, too.
		if e, ok := asError(err); ok && e.Cause != NoAnswer && e.Cause != Unreachable {
			m.answered = true
		}
	}
	if m.trial == nil && m.router == nil {
		m.tryNext()
	}
	m.settle()
}

// tryNext tests the best router that is left. It reads the external address first, so that an
// unusable router gets no rule.
func (m *machine) tryNext() {
	if len(m.found) == 0 {
		m.trial = nil
		if !m.searching {
			m.searchFailed()
		}
		return
	}
	t := &trial{mapper: m.found[0], readOp: m.op()}
	m.found, m.trial = m.found[1:], t
	for _, l := range m.leases {
		l.fresh()
	}
	m.do(doRead{op: t.readOp, mapper: t.mapper})
}

// tried handles the first reading of the router on trial.
func (m *machine) tried(r Reading, err error) {
	t := m.trial
	t.readOp = 0
	if err != nil {
		m.trialFailed(err)
		return
	}
	t.external, t.other, t.epoch, t.at = r.IP, r.Other, r.Epoch, m.now
	if t.mapper.Caps().Tells {
		if err := checkPublic(t.mapper, t.external); err != nil {
			m.trialFailed(err)
			return
		}
	}
	if !t.mapper.Caps().Maps {
		for _, l := range m.leases {
			l.granted(m.now, t.mapper, Mapping{Protocol: l.protocol, Internal: l.internal, External: ExternalPort(l.internal)}, 0)
		}
		m.adopt()
		return
	}
	for _, l := range m.leases {
		m.ask(l, t.mapper)
	}
}

// checkPublic returns an error if the router's own address is not public.
func checkPublic(by Mapper, external netip.Addr) error {
	if by.Method() == MethodFixed || by.Method() == MethodListen {
		return nil // the operator set it
	}
	words := doubleNAT(external)
	if words == "" {
		return nil
	}
	return &Error{Method: by.Method(), Router: by.Router().String(), Cause: NotPublic, Words: words}
}

// mappedOnTrial handles the result for one port, and ends the trial after the last one.
func (m *machine) mappedOnTrial() {
	t := m.trial
	var first error
	granted := 0
	for _, l := range m.leases {
		if l.op != 0 {
			return
		}
		if l.by == t.mapper && l.err == nil {
			granted++
			if ip := l.held.IP; ip.IsValid() {
				t.external = ip
			}
		} else if first == nil {
			first = l.err
		}
	}
	if granted == 0 {
		m.trialFailed(first)
		return
	}
	if err := checkPublic(t.mapper, t.external); err != nil {
		for _, l := range m.leases {
			if l.by == t.mapper {
				m.do(doUnmap{mapper: l.by, mapping: l.held})
				l.drop()
			}
		}
		m.trialFailed(err)
		return
	}
	m.adopt()
}

// adopt makes the router on trial the one that serves us.
func (m *machine) adopt() {
	t := m.trial
	m.searching = false // further answers are not needed
	m.trial, m.router, m.found = nil, t.mapper, nil
	m.failures, m.readFailures = 0, 0
	m.memory.gaveUp = ""
	m.lastHeld = m.now
	m.clock = epochClock{}
	m.clock.reset(t.at, t.epoch)
	m.heldAt = m.here
	m.planReading()
	m.moved(t.mapper, t.external)
	m.external, m.other = t.external, t.other
	for _, l := range m.leases {
		if l.by == t.mapper {
			m.deleteOld(l)
			m.log(eventMapped, l.by, describe(l.held)+" at "+m.external.String(), nil)
			continue
		}
		m.log(eventLost, t.mapper, fmt.Sprintf("%s port %d is not mapped", l.protocol, l.internal), l.err)
		if l.by != nil && l.by.Router().Addr == t.mapper.Router().Addr && m.memory.external == m.external {
			l.by, l.renewAt = t.mapper, l.retryAt // probably the port is granted again soon
		} else {
			l.drop() // a mapping of another router has another address
		}
	}
}

// deleteOld deletes the port's earlier mapping if it has another number or is at another router.
// The same number at the same router is the mapping in use.
func (m *machine) deleteOld(l *lease) {
	old, ok := m.memory.ports[l.protocol]
	if !ok || old.by == nil || !old.by.Caps().Maps {
		return
	}
	if old.by.Router().Addr == l.by.Router().Addr && old.held.External == l.held.External {
		return
	}
	m.do(doUnmap{mapper: old.by, mapping: old.held})
}

// moved logs an external address that differs from the last one that was published. A router that
// changes its address may have none for a moment, so that the old one is withdrawn first.
func (m *machine) moved(by Mapper, to netip.Addr) {
	if old := m.memory.lastIP; old.IsValid() && old != to {
		m.do(doRecord{event: eventMoved, method: by.Method(), router: by.Router(), words: "the external address changed", from: old, to: to})
	}
}

// planReading schedules the next reading of the router's address. Fixed addresses without a name,
// listen and interface addresses are never read again.
func (m *machine) planReading() {
	every := readEvery
	switch by := m.router.Method(); {
	case by == MethodSTUN:
		every = readSlowly
	case m.router.Caps().Named:
		every = resolveEvery
	case by == MethodFixed, by == MethodListen, by == MethodInterface:
		m.readAt = time.Time{}
		return
	}
	m.readAt = m.now.Add(every - time.Duration(m.random()*float64(every)/10))
}

// trialFailed continues with the next router.
func (m *machine) trialFailed(err error) {
	m.problems = append(m.problems, err)
	if causeOf(err) == NotPublic {
		// An earlier mapping of this router is equally unusable.
		for _, l := range m.leases {
			if l.by != nil && l.by.Router().Addr == m.trial.mapper.Router().Addr {
				m.do(doUnmap{mapper: l.by, mapping: l.held})
				m.log(eventLost, l.by, describe(l.held)+" is no longer usable", err)
				l.drop()
			}
		}
	}
	m.trial = nil
	m.tryNext()
}

// searchFailed schedules the next search and logs the reason once.
func (m *machine) searchFailed() {
	if m.here != "" && m.here != m.heldAt {
		m.dropForeign()
	}
	wait := searchNothing
	double := slices.ContainsFunc(m.problems, func(err error) bool { return causeOf(err) == NotPublic })
	switch {
	case !m.lastHeld.IsZero() && m.now.Sub(m.lastHeld) < memoryOfRouter:
		wait = searchLost
	case double:
		wait = searchDouble
	case m.answered:
		wait = searchRefused
	}
	if wait != m.waiting {
		m.waiting, m.failures = wait, 0
	}
	m.failures++
	m.planSearch(m.now.Add(wait.after(m.failures, m.random())))
	m.logFailure(double)
}

// dropForeign drops the mappings of a network that this host left for another one without a router.
// An interface that is down for a moment does not count as another network.
func (m *machine) dropForeign() {
	for _, l := range m.leases {
		if l.by != nil {
			m.log(eventLost, l.by, describe(l.held)+" belongs to a network that this host left", nil)
			l.drop()
		}
	}
}

// logFailure logs an unsuccessful search, unless the last one failed for the same reason.
func (m *machine) logFailure(double bool) {
	var all []string
	var first error // of a router, if there is one
	for _, err := range m.problems {
		if double == (causeOf(err) == NotPublic) {
			all = append(all, err.Error())
			if _, ok := asError(first); !ok {
				first = err
			}
		}
	}
	event, why := eventGaveUp, strings.Join(slices.Compact(slices.Sorted(slices.Values(all))), "; ")
	if !m.answered {
		event, why = eventNoRouter, "no router answered; searches continue at intervals"
	}
	if m.memory.gaveUp == why {
		return
	}
	m.memory.gaveUp = why
	m.log(event, nil, why, first)
}

// describe returns the mapping as text.
func describe(m Mapping) string {
	return fmt.Sprintf("%s port %d as %d", m.Protocol, m.Internal, m.External)
}

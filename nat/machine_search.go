package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// beginSearch starts looking for routers. What we hold stays ours until it ends, or
// until somebody grants it anew.
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

// planSearch sees to it that a search begins at that time or before.
func (m *machine) planSearch(at time.Time) { m.nextSearch = earliest(m.nextSearch, at) }

// searchNow begins a search, unless one is under way or the last one was a moment ago.
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

// onFound takes in a router that answered the search.
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

// onSearched takes in that nobody else will answer.
func (m *machine) onSearched(now time.Time, search uint64, problems []error) {
	m.now = now
	if search != m.search || !m.searching {
		return
	}
	m.searching = false
	m.problems = append(m.problems, problems...)
	for _, err := range problems {
		// Who answers with nonsense is there, too.
		if e, ok := asError(err); ok && e.Cause != NoAnswer && e.Cause != Unreachable {
			m.answered = true
		}
	}
	if m.trial == nil && m.router == nil {
		m.tryNext()
	}
	m.settle()
}

// tryNext takes the best router that is left. The address comes first: a router of no
// use gets no rule.
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

// tried takes in the first reading of the router on trial.
func (m *machine) tried(r Reading, err error) {
	t := m.trial
	t.readOp = 0
	if err != nil {
		m.trialFailed(err)
		return
	}
	t.external, t.epoch, t.at = r.IP, r.Epoch, m.now
	if t.mapper.Caps().Tells {
		if err := unfit(t.mapper, t.external); err != nil {
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

// unfit is the error of a router whose own address is not public.
func unfit(by Mapper, external netip.Addr) error {
	if by.Method() == MethodFixed || by.Method() == MethodListen {
		return nil // the operator knows
	}
	words := doubleNAT(external)
	if words == "" {
		return nil
	}
	return &Error{Method: by.Method(), Router: by.Router().String(), Cause: NotPublic, Words: words}
}

// mappedOnTrial takes in the answer for one port, and ends the trial with the last.
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
	if err := unfit(t.mapper, t.external); err != nil {
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

// adopt makes the router on trial ours.
func (m *machine) adopt() {
	t := m.trial
	m.searching = false // whoever answers now is not needed
	m.trial, m.router, m.found = nil, t.mapper, nil
	m.failures, m.readFailures = 0, 0
	m.memory.gaveUp = ""
	m.lastHeld = m.now
	m.clock = epochClock{}
	m.clock.reset(t.at, t.epoch)
	m.heldAt = m.here
	m.planReading()
	if old := m.memory.published.IP; old.IsValid() && old != t.external {
		m.do(doRecord{event: eventMoved, method: t.mapper.Method(), router: t.mapper.Router(), words: "our address is another one", from: old, to: t.external})
	}
	m.external = t.external
	for _, l := range m.leases {
		if l.by == t.mapper {
			m.giveBack(l)
			m.say(eventMapped, l.by, describe(l.held)+" at "+m.external.String(), nil)
			continue
		}
		m.say(eventLost, t.mapper, fmt.Sprintf("%s port %d is not mapped", l.protocol, l.internal), l.err)
		if l.by != nil && l.by.Router().Addr == t.mapper.Router().Addr && m.memory.external == m.external {
			l.by, l.renewAt = t.mapper, l.retryAt // as likely as not we get it back in a moment
		} else {
			l.drop() // what another router gave is at another address
		}
	}
}

// giveBack deletes what another router, or the same one, gave for this port before
// under another number. The same number at the same router is the mapping that we use.
func (m *machine) giveBack(l *lease) {
	old, ok := m.memory.ports[l.protocol]
	if !ok || old.by == nil || !old.by.Caps().Maps {
		return
	}
	if old.by.Router().Addr == l.by.Router().Addr && old.held.External == l.held.External {
		return
	}
	m.do(doUnmap{mapper: old.by, mapping: old.held})
}

// planReading says when the router is asked for its address next: never, where there is
// nobody to ask.
func (m *machine) planReading() {
	every := readEvery
	switch m.router.Method() {
	case MethodSTUN:
		every = readSlowly
	case MethodFixed, MethodListen, MethodInterface:
		m.readAt = time.Time{}
		return
	}
	m.readAt = m.now.Add(every - time.Duration(m.random()*float64(every)/10))
}

// trialFailed goes on to the next router.
func (m *machine) trialFailed(err error) {
	m.problems = append(m.problems, err)
	if causeOf(err) == NotPublic {
		// What this router gave before is as useless.
		for _, l := range m.leases {
			if l.by != nil && l.by.Router().Addr == m.trial.mapper.Router().Addr {
				m.do(doUnmap{mapper: l.by, mapping: l.held})
				m.say(eventLost, l.by, describe(l.held)+" is of no use any more", err)
				l.drop()
			}
		}
	}
	m.trial = nil
	m.tryNext()
}

// searchFailed plans the next search and says, once, why there is nothing.
func (m *machine) searchFailed() {
	if m.here != "" && m.here != m.heldAt {
		m.forsake()
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
	m.complain(double)
}

// forsake drops what a router gave in a network that we have left for another one,
// where there is none. A link that is down for a moment is no other network.
func (m *machine) forsake() {
	for _, l := range m.leases {
		if l.by != nil {
			m.say(eventLost, l.by, describe(l.held)+" belongs to a network that we left", nil)
			l.drop()
		}
	}
}

// complain logs a fruitless search, unless the last one failed in the same way.
func (m *machine) complain(double bool) {
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
		event, why = eventNoRouter, "no router answered; looking again now and then"
	}
	if m.memory.gaveUp == why {
		return
	}
	m.memory.gaveUp = why
	m.say(event, nil, why, first)
}

// describe is a mapping in words.
func describe(m Mapping) string {
	return fmt.Sprintf("%s port %d as %d", m.Protocol, m.Internal, m.External)
}

package nat

import (
	"fmt"
	"net/netip"
	"time"
)

// onReading takes in a router's address and clock.
func (m *machine) onReading(now time.Time, op uint64, r Reading, err error) {
	m.now = now
	switch {
	case op == 0:
		return
	case m.trial != nil && op == m.trial.readOp:
		m.tried(r, err)
	case m.router != nil && op == m.readOp:
		m.readOp = 0
		m.read(r, err)
	}
	m.settle()
}

// read takes in a reading of the router that serves us.
func (m *machine) read(r Reading, err error) {
	m.planReading()
	if err != nil {
		m.callFailed(err)
		return
	}
	if m.clock.reset(m.now, r.Epoch) {
		m.lose("the router has started over: its clock says so", nil)
		return
	}
	m.checkAddress(r.IP)
}

// checkAddress compares the router's external address with the one we announce.
func (m *machine) checkAddress(ip netip.Addr) {
	if !m.router.Caps().Tells && !ip.IsValid() || ip == m.external {
		m.readFailures = 0
		return
	}
	if ip.IsUnspecified() || !ip.IsValid() {
		// A connection that is dialed anew has no address for a moment.
		m.callFailed(&Error{Method: m.router.Method(), Router: m.router.Router().String(), Op: "external address",
			Cause: Busy, Words: "the router has no external address"})
		return
	}
	m.lose(fmt.Sprintf("the router's address is %v now, was %v", ip, m.external), nil)
}

// callFailed takes in that a question, not a request for a port, had no good answer.
func (m *machine) callFailed(err error) {
	m.readFailures++
	if causeOf(err) == Unreachable || m.readFailures >= readTries {
		m.lose("the router doesn't answer as it should", err)
		return
	}
	m.readAt = earliest(m.readAt, m.now.Add(readSoon))
}

// lose begins a search because the router that serves us may serve us no longer.
// The mappings stay announced until it is certain that they are gone.
func (m *machine) lose(why string, err error) {
	m.say(eventLost, m.router, why, err)
	m.searchNow()
}

// onMapped takes in the answer to a request for a port.
func (m *machine) onMapped(now time.Time, op uint64, got Mapping, err error) {
	m.now = now
	l := m.leaseOf(op)
	if l == nil {
		return
	}
	l.op = 0
	by := m.router
	if m.trial != nil {
		by = m.trial.mapper
	}
	if err == nil {
		err = sane(by, l, got)
	}
	if err != nil && l.refused(now, by, err, m.random()) {
		m.ask(l, by)
		m.settle()
		return
	}
	renewed := err == nil && l.by == by && l.held.External == got.External
	if err == nil {
		l.granted(now, by, got, m.random())
	}
	switch {
	case m.trial != nil:
		m.mappedOnTrial()
	case err != nil:
		m.renewalFailed(l, err)
	default:
		m.renewed(l, renewed)
	}
	m.settle()
}

// sane refuses what no router may grant.
func sane(by Mapper, l *lease, got Mapping) error {
	e := &Error{Method: by.Method(), Router: by.Router().String(), Op: fmt.Sprintf("map %s %d", l.protocol, l.internal), Cause: Garbage}
	switch {
	case got.External == 0:
		e.Words = "the router granted port 0"
	case got.Internal != l.internal || got.Protocol != l.protocol:
		e.Words = fmt.Sprintf("asked for %s %d, the router granted %s %d", l.protocol, l.internal, got.Protocol, got.Internal)
	case got.Lifetime <= 0 && !got.Permanent:
		e.Words = "the router granted a lease of no time"
	default:
		return nil
	}
	return e
}

// renewed takes in a grant outside of a trial.
func (m *machine) renewed(l *lease, same bool) {
	m.lastHeld = m.now
	if m.clock.reset(m.now, l.held.Epoch) {
		m.lose("the router has started over: its clock says so", nil)
		return
	}
	if same {
		m.say(eventRenewed, l.by, describe(l.held), nil)
	} else {
		m.say(eventMapped, l.by, describe(l.held), nil)
	}
	if ip := l.held.IP; ip.IsValid() {
		m.checkAddress(ip)
	}
}

// renewalFailed takes in that the router that serves us refused a port. Where we had it,
// that is a reason to look around; where we hadn't, to try again later.
func (m *machine) renewalFailed(l *lease, err error) {
	if l.by == nil {
		if causeOf(err) == Unreachable {
			m.lose("the router can't be reached", err)
		}
		return
	}
	m.lose("could not renew "+describe(l.held), err)
}

// onVerified takes in what the router's own list says of a mapping.
func (m *machine) onVerified(now time.Time, op uint64, got Mapping, err error) {
	m.now = now
	l := m.leaseOf(op)
	if l == nil || m.router == nil {
		return
	}
	l.op = 0
	l.verifyAt = now.Add(verifyEvery)
	switch {
	case err == nil:
		l.seen(now, got)
		if m.clock.reset(now, got.Epoch) {
			m.lose("the router has started over: its clock says so", nil)
		} else if got.External != l.held.External {
			l.granted(now, m.router, got, m.random())
			m.say(eventMapped, m.router, describe(got)+": the router moved it", nil)
		}
		if got.IP.IsValid() && m.router != nil {
			m.checkAddress(got.IP)
		}
	case causeOf(err) == NoMapping:
		m.say(eventLost, m.router, describe(l.held)+" is gone from the router's list", err)
		m.ask(l, m.router)
	case causeOf(err) == Unsupported:
		l.verifyAt = time.Time{}
	default:
		m.callFailed(err)
	}
	m.settle()
}

// onUnmapped takes in that a mapping without proof was deleted, or could not be: it is
// added again in any case.
func (m *machine) onUnmapped(now time.Time, op uint64, _ error) {
	m.now = now
	l := m.leaseOf(op)
	if l == nil || m.router == nil {
		return
	}
	m.ask(l, m.router)
	m.settle()
}

func (m *machine) leaseOf(op uint64) *lease {
	for _, l := range m.leases {
		if op != 0 && l.op == op {
			return l
		}
	}
	return nil
}

// onInbound takes in the proof that others reach us.
func (m *machine) onInbound(now time.Time, p Protocol) {
	m.now = now
	for _, l := range m.leases {
		if l.protocol == p {
			l.inbound(now)
		}
	}
	m.settle()
}

// onNotice takes in what the watcher saw. from is not valid for what concerns
// ourselves.
func (m *machine) onNotice(now time.Time, from netip.Addr, n notice) {
	m.now = now
	ours := m.router != nil && m.router.Router().Addr == from
	switch n.kind {
	case noticeLocal:
		m.here = n.place
		if m.router != nil {
			m.say(eventLost, m.router, "our own route or address changed", nil)
		}
		m.searchNow()
	case noticeAlive:
		if m.news(from, n, ours) {
			m.searchNow()
		}
	case noticeBye:
		if ours {
			m.lose("the router says that it leaves", nil)
		}
	case noticeAnnounce:
		switch {
		case m.router == nil && !m.searching:
			m.searchNow()
		case ours && m.router.Method() != MethodUPnP && m.clock.reset(now, n.epoch):
			m.lose("the router announces that it has started over", nil)
		case ours && n.ip.IsValid() && n.ip != m.external:
			m.lose(fmt.Sprintf("the router announces the address %v, was %v", n.ip, m.external), nil)
		case ours && m.router.Method() != MethodUPnP:
			// Routers announce what they have lost. One that restarts twice in a moment has a clock
			// that shows nothing.
			for _, l := range m.leases {
				l.renewSoon(now, searchGap)
			}
		}
	}
	m.settle()
}

// news says whether a gateway's sign of life is a reason to search: it has started
// over, or it is new and we have none.
func (m *machine) news(from netip.Addr, n notice, ours bool) bool {
	key, now := device{from, n.id}, n.boot+" "+n.place
	before, known := m.seen[key]
	if !known && len(m.seen) >= maxSeen {
		clear(m.seen) // somebody makes up devices; that must not hide the real one
	}
	m.seen[key] = now
	if known {
		if before == now {
			return false
		}
		if ours {
			m.say(eventLost, m.router, "the router announces that it has started over", nil)
		}
		return ours || m.router == nil
	}
	if ours && m.router.Router().ID == n.id && m.router.Method() == MethodUPnP {
		r := m.router.Router()
		if r.Boot != "" && r.Boot != n.boot || r.Place != n.place {
			m.say(eventLost, m.router, "the router announces that it has started over", nil)
			return true
		}
	}
	return m.router == nil
}

// leaving are the mappings to be deleted when we stop, those included that a router may
// be about to grant.
func (m *machine) leaving() (all []doUnmap) {
	for _, l := range m.leases {
		by, mapping := l.by, l.held
		if by == nil && l.op != 0 {
			by, mapping = m.router, Mapping{Protocol: l.protocol, Internal: l.internal, External: l.ask}
			if m.trial != nil {
				by = m.trial.mapper
			}
		}
		if by != nil && by.Caps().Maps {
			all = append(all, doUnmap{mapper: by, mapping: mapping})
		}
	}
	return all
}

// status is a snapshot.
func (m *machine) status() *Status {
	s := &Status{State: m.state, Since: m.since, External: m.address(), NextTry: m.nextSearch}
	if m.router != nil {
		s.Method, s.Router = m.router.Method(), m.router.Router()
	}
	for _, err := range m.problems {
		s.Problems = append(s.Problems, err.Error())
	}
	for _, l := range m.leases {
		p := PortStatus{Protocol: l.protocol.String(), Internal: l.internal, Proved: l.proved}
		if l.by != nil {
			p.External, p.Permanent = l.held.External, l.held.Permanent
			if !p.Permanent {
				p.Ends = l.endsAt
			}
		}
		if l.err != nil {
			p.LastError = l.err.Error()
		}
		s.Ports = append(s.Ports, p)
	}
	return s
}

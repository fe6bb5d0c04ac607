package nat

import (
	"fmt"
	"net/netip"
	"time"
)

// onReading handles a router's address and clock.
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

// read handles a reading of the router that serves us.
func (m *machine) read(r Reading, err error) {
	m.planReading()
	if m.router.Caps().Named {
		m.readName(r, err)
		return
	}
	if err != nil {
		m.callFailed(err)
		return
	}
	if m.clock.reset(m.now, r.Epoch) {
		m.lose("the router restarted: its clock was reset", nil)
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
		// A connection that is being redialed has no address for a moment.
		m.callFailed(&Error{Method: m.router.Method(), Router: m.router.Router().String(), Op: "external address",
			Cause: Busy, Words: "the router has no external address"})
		return
	}
	m.lose(fmt.Sprintf("the router's address is %v now, was %v", ip, m.external), nil)
}

// callFailed handles a failed call other than a mapping request.
func (m *machine) callFailed(err error) {
	m.readFailures++
	if causeOf(err) == Unreachable || m.readFailures >= readTries {
		m.lose("the router doesn't answer correctly", err)
		return
	}
	m.readAt = earliest(m.readAt, m.now.Add(readSoon))
}

// lose starts a search because the router that serves us may be lost. The mappings stay announced
// until they are known to be gone.
func (m *machine) lose(why string, err error) {
	m.log(eventLost, m.router, why, err)
	m.searchNow()
}

// onMapped handles the result of a mapping request.
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
		err = checkGrant(by, l, got)
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

// checkGrant returns an error for a grant that no correct router gives.
func checkGrant(by Mapper, l *lease, got Mapping) error {
	e := &Error{Method: by.Method(), Router: by.Router().String(), Op: fmt.Sprintf("map %s %d", l.protocol, l.internal), Cause: Garbage}
	switch {
	case got.External == 0:
		e.Words = "the router granted port 0"
	case got.Internal != l.internal || got.Protocol != l.protocol:
		e.Words = fmt.Sprintf("asked for %s %d, the router granted %s %d", l.protocol, l.internal, got.Protocol, got.Internal)
	case got.Lifetime <= 0 && !got.Permanent:
		e.Words = "the router granted a lease of 0 seconds"
	default:
		return nil
	}
	return e
}

// renewed handles a grant outside of a trial.
func (m *machine) renewed(l *lease, same bool) {
	m.lastHeld = m.now
	if m.clock.reset(m.now, l.held.Epoch) {
		m.lose("the router restarted: its clock was reset", nil)
		return
	}
	if same {
		m.log(eventRenewed, l.by, describe(l.held), nil)
	} else {
		m.log(eventMapped, l.by, describe(l.held), nil)
	}
	if ip := l.held.IP; ip.IsValid() {
		m.checkAddress(ip)
	}
}

// renewalFailed handles a refusal by the router that serves us. If the port was mapped, it starts a
// search; if not, the request is repeated later.
func (m *machine) renewalFailed(l *lease, err error) {
	if l.by == nil {
		if causeOf(err) == Unreachable {
			m.lose("the router is unreachable", err)
		}
		return
	}
	m.lose("could not renew "+describe(l.held), err)
}

// onVerified handles the result of a lookup in the router's own list.
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
			m.lose("the router restarted: its clock was reset", nil)
		} else if got.External != l.held.External {
			l.granted(now, m.router, got, m.random())
			m.log(eventMapped, m.router, describe(got)+": the router moved it", nil)
		}
		if got.IP.IsValid() && m.router != nil {
			m.checkAddress(got.IP)
		}
	case causeOf(err) == NoMapping:
		m.log(eventLost, m.router, describe(l.held)+" is gone from the router's list", err)
		m.ask(l, m.router)
	case noLookup(causeOf(err)):
		l.verifyAt = time.Time{} // until the next grant
	default:
		m.callFailed(err)
	}
	m.settle()
}

// noLookup reports whether a lookup that failed for this cause says only that the router can't look
// up a mapping. Whether the router still answers is what the readings of its address show.
func noLookup(c Cause) bool {
	switch c {
	case Unsupported, BadArgument, Failed, Denied, Refused, Garbage:
		return true
	}
	return false
}

// onUnmapped handles the end of the deletion of an unproved mapping. The mapping is requested again
// even if the deletion failed.
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

// onInbound records that a remote reached this node.
func (m *machine) onInbound(now time.Time, p Protocol) {
	m.now = now
	for _, l := range m.leases {
		if l.protocol == p {
			l.inbound(now)
		}
	}
	m.settle()
}

// onNotice handles an event from the watcher. from is invalid for events of this host itself.
func (m *machine) onNotice(now time.Time, from netip.Addr, n notice) {
	m.now = now
	ours := m.router != nil && m.router.Router().Addr == from
	switch n.kind {
	case noticeLocal:
		m.here = n.place
		if m.router != nil {
			m.log(eventLost, m.router, "a local route or address changed", nil)
		}
		m.searchNow()
	case noticeAlive:
		if m.news(from, n, ours) {
			m.searchNow()
		}
	case noticeBye:
		if ours {
			m.lose("the router announces its departure", nil)
		}
	case noticeAnnounce:
		switch {
		case m.router == nil && !m.searching:
			m.searchNow()
		case ours && m.router.Method() != MethodUPnP && m.clock.reset(now, n.epoch):
			m.lose("the router announces that it restarted", nil)
		case ours && n.ip.IsValid() && n.ip != m.external:
			m.lose(fmt.Sprintf("the router announces the address %v, was %v", n.ip, m.external), nil)
		case ours && m.router.Method() != MethodUPnP:
			// Routers announce the loss of their mappings. If a router restarts twice in quick
			// succession, its clock does not show it.
			for _, l := range m.leases {
				l.renewSoon(now, searchGap)
			}
		}
	}
	m.settle()
}

// news reports whether a gateway's announcement is a reason to search: the gateway restarted, or it
// is new and no router serves us.
func (m *machine) news(from netip.Addr, n notice, ours bool) bool {
	key, now := device{from, n.id}, n.boot+" "+n.place
	before, known := m.seen[key]
	if !known && len(m.seen) >= maxSeen {
		clear(m.seen) // a host may invent devices; they must not hide the real one
	}
	m.seen[key] = now
	if known {
		if before == now {
			return false
		}
		if ours {
			m.log(eventLost, m.router, "the router announces that it restarted", nil)
		}
		return ours || m.router == nil
	}
	if ours && m.router.Router().ID == n.id && m.router.Method() == MethodUPnP {
		r := m.router.Router()
		if r.Boot != "" && r.Boot != n.boot || r.Place != n.place {
			m.log(eventLost, m.router, "the router announces that it restarted", nil)
			return true
		}
	}
	return m.router == nil
}

// leaving returns the mappings to delete when the actor stops, including those that a router may be
// about to grant.
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

// status returns a snapshot.
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

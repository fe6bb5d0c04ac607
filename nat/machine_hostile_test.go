package nat

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestStormOfNoticesIsBounded(t *testing.T) {
	r := upnpRouter()
	s := newSim(t, r)
	s.run(20 * time.Second)
	before := s.searches
	for i := range 600 { // one every 100 ms, all different
		s.machine.onNotice(s.now, r.addr, notice{kind: noticeAlive, id: "u", boot: strings.Repeat("x", i%50)})
		s.perform()
		s.run(100 * time.Millisecond)
	}
	if n := s.searches - before; n > int(time.Minute/searchGap)+1 {
		t.Errorf("%d searches in one minute", n)
	}
	for i := range 1000 {
		s.machine.onNotice(s.now, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), notice{kind: noticeAlive, id: "u"})
		s.perform()
	}
	if len(s.machine.seen) > maxSeen {
		t.Errorf("%d devices are remembered", len(s.machine.seen))
	}
}

func TestStormOfAnnouncementsIsBounded(t *testing.T) {
	r := pmpRouter()
	s := newSim(t, r)
	s.run(20 * time.Second)
	before := len(r.mapCalls)
	for range 600 {
		s.machine.onNotice(s.now, r.addr, notice{kind: noticeAnnounce, ip: wan, epoch: r.epoch()})
		s.perform()
		s.run(100 * time.Millisecond)
	}
	if n, most := len(r.mapCalls)-before, 2*(int(time.Minute/searchGap)+1); n < 2 || n > most {
		t.Errorf("requested %d mappings in one minute, want 2 to %d for the two ports", n, most)
	}
	s.state(Mapped)
	s.announced(1, "30.10.10.1 30303/30303 nat-pmp")
}

// TestMalformedAnswerIsAnAnswer: a router with a malformed answer exists, and is logged once as a
// failure. A router that doesn't answer is not logged as a failure.
func TestMalformedAnswerIsAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		cause Cause
		event string
	}{{Garbage, eventGaveUp}, {Unsupported, eventGaveUp}, {NoAnswer, eventNoRouter}, {Unreachable, eventNoRouter}} {
		m := newMachine(simNode, []port{{TCP, 1}}, func() float64 { return 0 }, &memory{})
		m.start(simStart)
		problem := &Error{Method: MethodUPnP, Router: "box", Op: "description", Cause: tt.cause, Words: "error text"}
		for range 2 {
			m.onSearched(m.now, m.search, []error{errors.New("eth1 is down"), problem})
			m.tick(m.nextSearch)
		}
		var logged []record
		for _, action := range m.out {
			if r, ok := action.(doRecord); ok {
				logged = append(logged, record(r))
			}
		}
		if len(logged) != 1 || logged[0].event != tt.event || !errors.Is(logged[0].err, problem) {
			t.Errorf("cause %v: logged %+v", tt.cause, logged)
		}
	}
}

func TestCheckGrant(t *testing.T) {
	for name, change := range map[string]func(m *Mapping){
		"port 0":           func(m *Mapping) { m.External = 0 },
		"another port":     func(m *Mapping) { m.Internal = 1 },
		"another protocol": func(m *Mapping) { m.Protocol = UDP },
		"no time":          func(m *Mapping) { m.Lifetime = 0 },
	} {
		l := &lease{protocol: TCP, internal: 30303}
		m := Mapping{Protocol: TCP, Internal: 30303, External: 30303, Lifetime: time.Hour}
		if err := checkGrant(&simMapper{upnpRouter()}, l, m); err != nil {
			t.Errorf("a valid grant is rejected: %v", err)
		}
		change(&m)
		if err := checkGrant(&simMapper{upnpRouter()}, l, m); causeOf(err) != Garbage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if causeOf(errors.New("x")) != Other {
		t.Error("an error that is no *Error has a cause")
	}
}

func TestCrashKeepsPortsAndAnnouncement(t *testing.T) {
	r := upnpRouter()
	r.taken = map[ExternalPort]bool{30303: true}
	s := newSim(t, r)
	s.run(5 * time.Second)
	want := "30.10.10.1 " + portPair(derivedPort(simNode, 0)) + " upnp"
	s.announced(1, want)
	r.mapCalls = nil
	r.down = true
	s.begin()
	s.run(4 * time.Second)
	s.announced(1, want) // its lease is still valid
	r.down = false
	s.run(20 * time.Second)
	s.announced(1, want)
	s.state(Mapped)
	if len(r.mapCalls) != 2 || r.mapCalls[0].External != derivedPort(simNode, 0) {
		t.Errorf("requested other ports than before: %v", r.mapCalls)
	}
}

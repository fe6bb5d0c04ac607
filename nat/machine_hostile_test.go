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
	for i := range 600 { // one each 100 ms, all different
		s.machine.onNotice(s.now, r.addr, notice{kind: noticeAlive, id: "u", boot: strings.Repeat("x", i%50)})
		s.perform()
		s.run(100 * time.Millisecond)
	}
	if n := s.searches - before; n > 13 {
		t.Errorf("%d searches in a minute", n)
	}
	for i := range 1000 {
		s.machine.onNotice(s.now, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), notice{kind: noticeAlive, id: "u"})
		s.perform()
	}
	if len(s.machine.seen) > maxSeen {
		t.Errorf("remembers %d devices", len(s.machine.seen))
	}
}

func TestSaneGrants(t *testing.T) {
	for name, change := range map[string]func(m *Mapping){
		"port 0":           func(m *Mapping) { m.External = 0 },
		"another port":     func(m *Mapping) { m.Internal = 1 },
		"another protocol": func(m *Mapping) { m.Protocol = UDP },
		"no time":          func(m *Mapping) { m.Lifetime = 0 },
	} {
		l := &lease{protocol: TCP, internal: 30303}
		m := Mapping{Protocol: TCP, Internal: 30303, External: 30303, Lifetime: time.Hour}
		if err := sane(&simMapper{upnpRouter()}, l, m); err != nil {
			t.Errorf("refuses a good grant: %v", err)
		}
		change(&m)
		if err := sane(&simMapper{upnpRouter()}, l, m); causeOf(err) != Garbage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if causeOf(errors.New("x")) != Other {
		t.Error("an error of no kind has a cause")
	}
}

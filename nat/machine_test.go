package nat

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestFirstMapping(t *testing.T) {
	private, carrier := netip.MustParseAddr("10.64.10.2"), netip.MustParseAddr("100.64.3.4")
	refuse := func(op string) error {
		if op == "map" {
			return &Error{Method: MethodUPnP, Code: 606, Cause: Refused, Words: "not allowed"}
		}
		return nil
	}
	for _, tt := range []struct {
		name    string
		routers []*simRouter
		state   State
		news    int
		last    string
		says    string // expected in the log
	}{
		{name: "UPnP", routers: []*simRouter{upnpRouter()}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 upnp", says: "TCP port 30303 as 30303 at 30.10.10.1"},
		{name: "PCP, which reports its address with a mapping", routers: []*simRouter{pcpRouter()}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 pcp"},
		{name: "all at once: PCP is preferred", routers: []*simRouter{upnpRouter(), pmpRouter(), pcpRouter()}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 pcp"},
		{name: "NAT-PMP before UPnP", routers: []*simRouter{upnpRouter(), pmpRouter()}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 nat-pmp"},
		{name: "none", state: Unmapped, says: "no router answered"},
		{name: "one that refuses", routers: []*simRouter{{method: MethodUPnP, fail: refuse}}, state: Unmapped, says: "error 606: not allowed"},
		{name: "one that refuses and one that serves", routers: []*simRouter{{method: MethodPCP, fail: refuse}, upnpRouter()}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 upnp"},
		{name: "private address", routers: []*simRouter{{method: MethodUPnP, ip: &private}}, state: DoubleNAT, says: "double NAT: the router's own address 10.64.10.2 is a private address"},
		{name: "carrier's NAT, by PCP", routers: []*simRouter{{method: MethodPCP, ip: &carrier}}, state: DoubleNAT, says: "100.64.3.4 is an address of a carrier-grade NAT"},
		{name: "no address", routers: []*simRouter{{method: MethodUPnP, ip: new(netip.IPv4Unspecified())}}, state: DoubleNAT, says: "no external address"},
		{name: "one double NAT, one good router", routers: []*simRouter{{method: MethodPCP, ip: &private}, pmpRouter()}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 nat-pmp"},
		{name: "address only", routers: []*simRouter{{method: MethodSTUN, caps: &Caps{Tells: true}}}, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 stun"},
		{name: "address only, and a private one", routers: []*simRouter{{method: MethodSTUN, caps: &Caps{Tells: true}, ip: &private}}, state: DoubleNAT},
		{name: "private address set by the operator", routers: []*simRouter{{method: MethodFixed, caps: &Caps{Tells: true}, ip: &private}}, state: Mapped, news: 1, last: "10.64.10.2 30303/30303 extip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, tt.routers...)
			s.run(4 * time.Second)
			s.state(tt.state)
			s.announced(tt.news, tt.last)
			if !strings.Contains(s.story(), tt.says) {
				t.Errorf("the log does not contain %q:\n%s", tt.says, s.story())
			}
			for _, r := range tt.routers {
				if tt.state == DoubleNAT && len(r.table) > 0 {
					t.Errorf("a mapping is left in the router: %v", r.table)
				}
			}
			logged := len(s.log)
			s.run(time.Hour)
			if tt.state != Mapped && len(s.log) != logged {
				t.Errorf("the same failure is logged again:\n%s", s.story())
			}
		})
	}
}

// TestOnePortLate: a port that is mapped a moment later causes no second announcement, and a port
// that is never mapped does not delay the other one.
func TestOnePortLate(t *testing.T) {
	busy := &Error{Code: 501, Cause: Busy}
	for name, tt := range map[string]struct {
		fails int // number of the last request that fails
		last  string
		state State
	}{
		"late":  {fails: 2, last: "30.10.10.1 30303/30303 upnp", state: Mapped},
		"never": {fails: 1 << 30, last: "30.10.10.1 30303/0 upnp", state: Degraded},
	} {
		t.Run(name, func(t *testing.T) {
			r := upnpRouter()
			n := 0
			r.fail = func(op string) error {
				// The first request is for TCP, all others are for UDP.
				if op != "map" {
					return nil
				}
				if n++; n > 1 && n <= tt.fails {
					return busy
				}
				return nil
			}
			s := newSim(t, r)
			s.run(25 * time.Second)
			s.state(tt.state)
			s.announced(1, tt.last)
		})
	}
}

func TestSearchesLessAndLessWhereThereIsNoRouter(t *testing.T) {
	s := newSim(t)
	s.run(24 * time.Hour)
	// The wait doubles from one minute to half an hour: about 50 searches a day.
	if n := s.searches; n < 40 || n > 75 {
		t.Errorf("%d searches in 24 h", n)
	}
	if len(s.log) != 1 {
		t.Errorf("the missing router is logged more than once:\n%s", s.story())
	}
}

func TestLateRouterIsFoundAtOnceWhenItAnnouncesItself(t *testing.T) {
	r := upnpRouter()
	s := newSim(t, r)
	r.down = true
	s.run(10 * time.Minute)
	s.state(Unmapped)
	r.down = false
	s.machine.onNotice(s.now, r.addr, notice{kind: noticeAlive, id: "u", boot: "1"})
	s.perform()
	s.run(time.Second)
	s.state(Mapped)
}

// TestADayOfRenewals: the ports are mapped at every moment, nothing grows, and nothing is announced
// twice.
func TestADayOfRenewals(t *testing.T) {
	for name, change := range map[string]func(r *simRouter){
		"hour":       func(*simRouter) {},
		"two minute": func(r *simRouter) { r.max = 2 * time.Minute },
		"ten second": func(r *simRouter) { r.max = 10 * time.Second },
		"permanent":  func(r *simRouter) { r.permanent = true },
	} {
		for _, method := range []Method{MethodPCP, MethodPMP, MethodUPnP} {
			t.Run(name+" "+string(method), func(t *testing.T) {
				r := &simRouter{method: method}
				change(r)
				s := newSim(t, r)
				s.run(5 * time.Second)
				mapped := func() {
					if !r.maps(TCP, 30303) || !r.maps(UDP, 30303) {
						t.Fatalf("not mapped after %v:\n%s", s.now.Sub(simStart), s.story())
					}
				}
				proof := time.Minute
				for end := s.now.Add(24 * time.Hour); s.now.Before(end); {
					s.run(proof, mapped)
					s.machine.onInbound(s.now, TCP)
					s.machine.onInbound(s.now, UDP)
					if len(s.queue) > 8 {
						t.Fatalf("%d calls pending", len(s.queue))
					}
				}
				s.state(Mapped)
				s.announced(1, "30.10.10.1 30303/30303 "+string(method))
				if r.searches != 1 || s.count(eventLost) != 0 {
					t.Errorf("%d searches, lost %d times:\n%s", r.searches, s.count(eventLost), s.story())
				}
				term := lifetime
				if r.max != 0 {
					term = r.max
				}
				// Both ports are renewed at half of the granted time, less up to a tenth of that.
				most, least := 2*int(24*time.Hour/(term/2*9/10))+4, 2*int(24*time.Hour/(term/2))-4
				if n := len(r.mapCalls); n < least || n > most {
					t.Errorf("%d mapping requests in a day, want %d to %d", n, least, most)
				}
			})
		}
	}
}

func TestPortsAndLeases(t *testing.T) {
	any := &Caps{Maps: true, Tells: true, List: true, Any: true}
	d := func(n int) ExternalPort { return derivedPort(simNode, n) }
	for _, tt := range []struct {
		name   string
		router *simRouter
		state  State
		ports  [2]ExternalPort // TCP, UDP; 0: none
		calls  int             // for both ports
	}{
		{name: "in use, any-port call", router: &simRouter{method: MethodUPnP, caps: any, taken: map[ExternalPort]bool{30303: true}}, state: Mapped, ports: [2]ExternalPort{41000, 41000}, calls: 4},
		{name: "in use, derived port", router: &simRouter{method: MethodUPnP, taken: map[ExternalPort]bool{30303: true}}, state: Mapped, ports: [2]ExternalPort{d(0), d(0)}, calls: 4},
		{name: "in use, third derived port", router: &simRouter{method: MethodUPnP, taken: map[ExternalPort]bool{30303: true, d(0): true, d(1): true}}, state: Mapped, ports: [2]ExternalPort{d(2), d(2)}, calls: 8},
		{name: "all in use", router: &simRouter{method: MethodUPnP, taken: map[ExternalPort]bool{30303: true, d(0): true, d(1): true, d(2): true, d(3): true}}, state: Unmapped, calls: 10},
		{name: "permanent only", router: &simRouter{method: MethodUPnP, permanent: true}, state: Mapped, ports: [2]ExternalPort{30303, 30303}, calls: 4},
		{name: "permanent only and in use", router: &simRouter{method: MethodUPnP, permanent: true, taken: map[ExternalPort]bool{30303: true}}, state: Mapped, ports: [2]ExternalPort{d(0), d(0)}, calls: 6},
		{name: "invalid arguments", router: &simRouter{method: MethodUPnP, fail: failing("map", &Error{Code: 402, Cause: Refused}, 1000)}, state: Unmapped, calls: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, tt.router)
			s.run(1500 * time.Millisecond)
			s.run(1600*time.Millisecond, func() {})
			s.state(tt.state)
			a := s.machine.address()
			if got := [2]ExternalPort{a.TCPPort, a.UDPPort}; got != tt.ports {
				t.Errorf("ports %v, want %v", got, tt.ports)
			}
			if n := len(tt.router.mapCalls); n != tt.calls {
				t.Errorf("%d calls, want %d: %v", n, tt.calls, tt.router.mapCalls)
			}
		})
	}
}

// failing returns a fault that makes the next n calls of op fail.
func failing(op string, err error, n int) func(string) error {
	return func(got string) error {
		if got == op && n > 0 {
			n--
			return err
		}
		return nil
	}
}

func TestRecovers(t *testing.T) {
	timeout := &Error{Cause: NoAnswer}
	refused := &Error{Cause: Unreachable, Words: "connection refused"}
	other := netip.MustParseAddr("30.10.10.77")
	for _, tt := range []struct {
		name   string
		method Method
		cause  func(s *sim, r *simRouter)
		within time.Duration
		news   int
		last   string
	}{
		{name: "reboot, seen by the clock", method: MethodPMP, within: 11 * time.Second, news: 1,
			cause: func(_ *sim, r *simRouter) { r.reboot() }},
		{name: "reboot, seen by PCP's clock", method: MethodPCP, within: 11 * time.Second, news: 1,
			cause: func(_ *sim, r *simRouter) { r.reboot() }},
		{name: "two reboots in two seconds, announced", method: MethodPMP, within: 3 * time.Second, news: 1, cause: func(s *sim, r *simRouter) {
			for range 2 {
				r.reboot()
				s.machine.onNotice(s.now, r.addr, notice{kind: noticeAnnounce, ip: wan, epoch: r.epoch()})
				s.perform()
				s.run(1500 * time.Millisecond)
			}
		}},
		{name: "reboot, announced", method: MethodUPnP, within: time.Second, news: 1, cause: func(s *sim, r *simRouter) {
			s.machine.onNotice(s.now, r.addr, notice{kind: noticeAlive, id: "u", boot: "1"}) // already known
			r.reboot()
			s.machine.onNotice(s.now, r.addr, notice{kind: noticeAlive, id: "u", boot: "2"})
			s.perform()
		}},
		{name: "reboot, seen by the list", method: MethodUPnP, within: 61 * time.Second, news: 1,
			cause: func(_ *sim, r *simRouter) { r.reboot() }},
		{name: "address changed, seen by a reading", method: MethodUPnP, within: 11 * time.Second, news: 2, last: "30.10.10.77 30303/30303 upnp",
			cause: func(_ *sim, r *simRouter) { r.ip = &other; r.table = nil }},
		{name: "address changed, announced", method: MethodPMP, within: time.Second, news: 2, last: "30.10.10.77 30303/30303 nat-pmp", cause: func(s *sim, r *simRouter) {
			r.ip, r.table = &other, nil
			s.machine.onNotice(s.now, r.addr, notice{kind: noticeAnnounce, ip: other})
			s.perform()
		}},
		{name: "address changed, PCP", method: MethodPCP, within: 62 * time.Second, news: 2, last: "30.10.10.77 30303/30303 pcp",
			cause: func(_ *sim, r *simRouter) { r.ip = &other }},
		{name: "mapping vanishes silently, no list", method: MethodPMP, within: 3 * time.Minute, news: 1,
			cause: func(_ *sim, r *simRouter) { r.table = nil }},
		{name: "own address changed", method: MethodPMP, within: time.Second, news: 1, cause: func(s *sim, r *simRouter) {
			r.table = nil
			s.machine.onNotice(s.now, netip.Addr{}, notice{kind: noticeLocal, place: "elsewhere"})
			s.perform()
		}},
		{name: "three failures", method: MethodUPnP, within: 75 * time.Second, news: 1, cause: func(_ *sim, r *simRouter) {
			r.table = nil
			r.fail = failing("map", &Error{Code: 501, Cause: Busy}, 3)
		}},
		{name: "two time-outs", method: MethodUPnP, within: 75 * time.Second, news: 1, cause: func(_ *sim, r *simRouter) {
			r.table = nil
			r.fail = failing("verify", timeout, 2)
		}},
		{name: "closed port for a minute", method: MethodUPnP, within: 75 * time.Second, news: 1, cause: func(s *sim, r *simRouter) {
			r.table = nil
			r.fail = func(string) error { return refused }
			s.after(time.Minute, func() { r.fail = nil })
		}},
		{name: "gone for a minute", method: MethodPMP, within: 75 * time.Second, news: 1, cause: func(s *sim, r *simRouter) {
			r.down = true
			s.after(time.Minute, func() { r.down = false; r.reboot() })
		}},
		{name: "gone for half an hour", method: MethodPMP, within: 62 * time.Minute, news: 1, cause: func(s *sim, r *simRouter) {
			r.down = true
			s.after(30*time.Minute, func() { r.down = false; r.reboot() })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &simRouter{method: tt.method, addr: netip.MustParseAddr("192.168.10.1")}
			s := newSim(t, r)
			s.run(20 * time.Second)
			s.state(Mapped)
			tt.cause(s, r)
			s.run(tt.within)
			s.state(Mapped)
			if !r.maps(TCP, 30303) || !r.maps(UDP, 30303) {
				t.Errorf("not mapped after %v: %v\n%s", tt.within, r.table, s.story())
			}
			if tt.last == "" {
				tt.last = "30.10.10.1 30303/30303 " + string(tt.method)
			}
			s.announced(tt.news, tt.last)
		})
	}
}

func TestDoubt(t *testing.T) {
	r := upnpRouter()
	s := newSim(t, r)
	made := func() int { return len(r.mapCalls) }
	unmaps := 0
	r.fail = func(op string) error {
		if op == "unmap" {
			unmaps++
		}
		return nil
	}
	s.run(2*time.Minute - time.Second)
	if made() != 2 || unmaps != 0 {
		t.Fatalf("after almost 2 min: %d mapping requests, %d deletions", made(), unmaps)
	}
	s.run(3 * time.Second)
	if made() != 4 || unmaps != 2 {
		t.Fatalf("after 2 min without proof: %d mapping requests, %d deletions", made(), unmaps)
	}
	// Deletions follow 4, 8, 16 and 30 minutes later, and then every 30 minutes.
	unmaps = 0
	s.run(4*time.Hour - 2*time.Minute)
	if unmaps != 2*(3+7) {
		t.Errorf("%d deletions in the next hours, want 20", unmaps)
	}
	unmaps = 0
	for range 120 {
		s.machine.onInbound(s.now, TCP)
		s.run(time.Minute)
	}
	if unmaps != 4 && unmaps != 5 { // only UDP, every 30 minutes
		t.Errorf("with proof for TCP: %d deletions in 2 h, want 4 or 5", unmaps)
	}
	s.announced(1, "30.10.10.1 30303/30303 upnp")
	if s.machine.address().Confidence != Proved {
		t.Errorf("confidence %v", s.machine.address().Confidence)
	}
}

func TestWrongAddressIsWithdrawn(t *testing.T) {
	private := netip.MustParseAddr("192.168.1.2")
	none := netip.IPv4Unspecified()
	gone := "invalid IP 0/0 "
	for _, tt := range []struct {
		name  string
		cause func(s *sim, r *simRouter)
		after time.Duration
		state State
		news  int
		last  string
	}{
		{name: "router got a private address", after: 15 * time.Second, state: DoubleNAT, news: 2, last: gone,
			cause: func(_ *sim, r *simRouter) { r.ip = &private }},
		{name: "router without address for a moment", after: time.Minute, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 upnp", cause: func(s *sim, r *simRouter) {
			r.ip = &none
			s.after(11*time.Second, func() { r.ip = nil })
		}},
		{name: "router without address for long", after: time.Minute, state: DoubleNAT, news: 2, last: gone,
			cause: func(_ *sim, r *simRouter) { r.ip = &none }},
		{name: "router gone, lease still good", after: 50 * time.Minute, state: Degraded, news: 1, last: "30.10.10.1 30303/30303 upnp",
			cause: func(_ *sim, r *simRouter) { r.down = true }},
		{name: "router gone for longer than the lease", after: 65 * time.Minute, state: Unmapped, news: 2, last: gone,
			cause: func(_ *sim, r *simRouter) { r.down = true }},
		{name: "in another network without router", after: 10 * time.Second, state: Unmapped, news: 2, last: gone, cause: func(s *sim, r *simRouter) {
			r.down = true
			s.machine.onNotice(s.now, netip.Addr{}, notice{kind: noticeLocal, place: "elsewhere"})
			s.perform()
		}},
		{name: "link down for a moment", after: 30 * time.Second, state: Mapped, news: 1, last: "30.10.10.1 30303/30303 upnp", cause: func(s *sim, r *simRouter) {
			r.down = true
			s.machine.onNotice(s.now, netip.Addr{}, notice{kind: noticeLocal})
			s.perform()
			s.after(15*time.Second, func() {
				r.down = false
				s.machine.onNotice(s.now, netip.Addr{}, notice{kind: noticeLocal, place: "home"})
				s.perform()
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := upnpRouter()
			s := newSim(t, r)
			s.machine.here = "home"
			s.run(20 * time.Second)
			s.machine.onInbound(s.now, TCP)
			tt.cause(s, r)
			s.run(tt.after)
			s.state(tt.state)
			s.announced(tt.news, tt.last)
		})
	}
}

// TestNewAddressAfterNone: a provider takes the old address back before it gives a new one. The log
// says from where to where the node moved, although nothing was announced for a time.
func TestNewAddressAfterNone(t *testing.T) {
	none, other := netip.IPv4Unspecified(), netip.MustParseAddr("30.10.10.77")
	for name, tt := range map[string]struct {
		next  netip.Addr
		moved int
	}{
		"another address":  {other, 1},
		"the same address": {wan, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := upnpRouter()
			s := newSim(t, r)
			s.run(20 * time.Second)
			r.ip = &none
			s.run(time.Minute)
			s.announced(2, "invalid IP 0/0 ")
			r.ip = &tt.next
			s.run(31 * time.Minute) // a router behind a double NAT is asked every 30 minutes at least
			s.announced(3, tt.next.String()+" 30303/30303 upnp")
			if s.count(eventMoved) != tt.moved {
				t.Errorf("%d records of a move, want %d:\n%s", s.count(eventMoved), tt.moved, s.story())
			}
			for _, rec := range s.log {
				if rec.event == eventMoved && (rec.from != wan || rec.to != tt.next) {
					t.Errorf("moved from %v to %v", rec.from, rec.to)
				}
			}
		})
	}
}

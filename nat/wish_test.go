package nat

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// form writes a request as text: its term, and its external port if that is not the internal one.
func form(r Request) string {
	text := "permanent"
	if r.Lifetime != 0 {
		text = r.Lifetime.String()
	}
	for n := range portTries {
		if r.External == derivedPort(simNode, n) {
			text += fmt.Sprintf(" derived%d", n)
		}
	}
	switch {
	case r.External == 0:
		text += " none"
	case r.External == 40000:
		text += " wanted"
	}
	if r.Any {
		text += " any"
	}
	return text
}

// TestWhatIsRequestedAfterARefusal has, for each code of UPnP, the requests that follow one another if
// the router refuses all with this code. The port that was granted before is 40000.
func TestWhatIsRequestedAfterARefusal(t *testing.T) {
	const terms = "1h0m0s wanted, permanent wanted, 30m0s wanted"
	for _, tt := range []struct {
		codes []int // the last is repeated
		any   bool
		want  string
	}{
		{codes: []int{402}, want: terms},
		{codes: []int{600}, want: terms},
		{codes: []int{601}, want: terms},
		{codes: []int{713}, want: terms},
		{codes: []int{501}, want: "1h0m0s wanted, " + terms},
		{codes: []int{899}, want: "1h0m0s wanted, " + terms},
		{codes: []int{0}, want: "1h0m0s wanted, " + terms},
		{codes: []int{725}, want: "1h0m0s wanted, permanent wanted"},
		{codes: []int{725, 402}, want: "1h0m0s wanted, permanent wanted"},
		{codes: []int{402, 725}, want: "1h0m0s wanted, permanent wanted"},
		{codes: []int{718}, want: "1h0m0s wanted, 1h0m0s derived0, 1h0m0s derived1, 1h0m0s derived2, 1h0m0s derived3"},
		{codes: []int{718}, any: true, want: "1h0m0s wanted, 1h0m0s wanted any, 1h0m0s derived0 any, 1h0m0s derived1 any, 1h0m0s derived2 any, 1h0m0s derived3 any"},
		{codes: []int{729}, want: "1h0m0s wanted, 1h0m0s derived0, 1h0m0s derived1, 1h0m0s derived2, 1h0m0s derived3"},
		{codes: []int{718, 401}, any: true, want: "1h0m0s wanted, 1h0m0s wanted any, 1h0m0s derived0"},
		{codes: []int{718, 725, 718}, want: "1h0m0s wanted, 1h0m0s derived0, permanent derived0, permanent derived1, permanent derived2, permanent derived3"},
		{codes: []int{724}, want: "1h0m0s wanted, 1h0m0s"},
		{codes: []int{724, 402}, want: "1h0m0s wanted, 1h0m0s, permanent, 30m0s"},
		{codes: []int{724, 718}, any: true, want: "1h0m0s wanted, 1h0m0s"},
		{codes: []int{718, 724, 718}, any: true, want: "1h0m0s wanted, 1h0m0s wanted any, 1h0m0s"},
		{codes: []int{727}, want: "1h0m0s wanted"},
		{codes: []int{727}, any: true, want: "1h0m0s wanted, 1h0m0s wanted any, 1h0m0s none any"},
		{codes: []int{606}, want: "1h0m0s wanted, 1h0m0s derived0"},
		{codes: []int{402, 606, 402}, want: "1h0m0s wanted, permanent wanted, permanent derived0, 30m0s derived0"},
		// What no other form of the request changes.
		{codes: []int{401}, want: "1h0m0s wanted"},
		{codes: []int{602}, want: "1h0m0s wanted"},
		{codes: []int{603}, want: "1h0m0s wanted"},
		{codes: []int{604}, want: "1h0m0s wanted"},
		{codes: []int{605}, want: "1h0m0s wanted"},
		{codes: []int{701}, want: "1h0m0s wanted"},
		{codes: []int{715}, want: "1h0m0s wanted"},
		{codes: []int{716}, want: "1h0m0s wanted"},
		{codes: []int{726}, want: "1h0m0s wanted"},
		{codes: []int{728}, want: "1h0m0s wanted"},
		{codes: []int{732}, want: "1h0m0s wanted"},
	} {
		r := upnpRouter()
		r.caps = &Caps{Maps: true, Tells: true, List: true, Any: tt.any}
		l := &lease{node: simNode, protocol: TCP, internal: 30303, ask: 40000}
		var got []string
		for i := 0; ; i++ {
			if i > 20 {
				t.Fatalf("%v: no end", tt.codes)
			}
			got = append(got, form(l.request()))
			if !l.refused(simStart, &simMapper{r}, upnpError(tt.codes[min(i, len(tt.codes)-1)]), 0) {
				break
			}
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%v, any %v:\n%s\nwant\n%s", tt.codes, tt.any, text, tt.want)
		}
		if l.retryAt.IsZero() {
			t.Errorf("%v: no later request is planned", tt.codes)
		}
	}
}

func upnpError(code int) error {
	e := &Error{Method: MethodUPnP, Code: code}
	if e.Cause, e.Words = upnpWords.explain(code, ""); e.Cause == Other {
		e.Cause = Failed
	}
	return e
}

// TestRequestsEnd: whatever a router answers, a port is requested a few times only, until it is
// granted or requested again later.
func TestRequestsEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		w, caps := wish{}, Caps{Maps: true, Any: random.IntN(2) == 0}
		for n := 1; ; n++ {
			next, ok := w.after(Cause(random.IntN(int(OnlyAnyPort)+1)), caps)
			if !ok {
				break
			}
			if next.free && !next.any || next.same && next.any {
				t.Fatalf("%+v", next)
			}
			if w = next; n > 12 {
				t.Fatalf("%d requests: %+v", n, w)
			}
		}
		if s := w.settled(); s.tried != 0 || s.repeated || s.term != forHour && !s.firm {
			t.Fatalf("%+v becomes %+v", w, s)
		}
	}
}

// TestRoutersWithConditions: a router that accepts only some requests gets one of those, and both
// ports stay mapped over a day.
func TestRoutersWithConditions(t *testing.T) {
	for name, tt := range map[string]struct {
		refuses func(q Request) int // the code; 0: none
		last    string
		most    int // requests for each renewal of both ports
	}{
		"402 for a lease": {func(q Request) int {
			if q.Lifetime != 0 {
				return 402
			}
			return 0
		}, "30.10.10.1 30303/30303 upnp", 4},
		"501 for a lease": {func(q Request) int {
			if q.Lifetime != 0 {
				return 501
			}
			return 0
		}, "30.10.10.1 30303/30303 upnp", 6},
		"725 for a lease": {func(q Request) int {
			if q.Lifetime != 0 {
				return 725
			}
			return 0
		}, "30.10.10.1 30303/30303 upnp", 2},
		"half an hour at most": {func(q Request) int {
			if q.Lifetime == 0 || q.Lifetime > 30*time.Minute {
				return 402
			}
			return 0
		}, "30.10.10.1 30303/30303 upnp", 6},
		"a denied port": {func(q Request) int {
			if q.External == 30303 {
				return 606
			}
			return 0
		}, "30.10.10.1 " + portPair(derivedPort(simNode, 0)) + " upnp", 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := upnpRouter()
			r.refuse = func(q Request) error {
				if code := tt.refuses(q); code != 0 {
					return upnpError(code)
				}
				return nil
			}
			s := newSim(t, r)
			s.run(10 * time.Second)
			s.state(Mapped)
			s.announced(1, tt.last)
			port := s.machine.leases[0].held.External
			for range 24 * 60 { // inbound connections prove the mappings
				s.machine.onInbound(s.now, TCP)
				s.machine.onInbound(s.now, UDP)
				s.run(time.Minute, func() {
					if !r.maps(TCP, port) || !r.maps(UDP, port) {
						t.Fatalf("not mapped after %v:\n%s", s.now.Sub(simStart), s.story())
					}
				})
			}
			s.state(Mapped)
			s.announced(1, tt.last)
			if s.searches != 1 || s.count(eventLost) > 0 {
				t.Errorf("%d searches:\n%s", s.searches, s.story())
			}
			if n := len(r.mapCalls); n > 120*tt.most { // a renewal each quarter of an hour, at least
				t.Errorf("%d requests in a day", n)
			}
		})
	}
}

// TestPermanentOnlyWhileNeeded: a router that refused a mapping with an end for another reason than
// its end gets one with an end again.
func TestPermanentOnlyWhileNeeded(t *testing.T) {
	r := upnpRouter()
	broken := true
	r.refuse = func(q Request) error {
		if broken && q.Lifetime != 0 {
			return upnpError(402)
		}
		return nil
	}
	s := newSim(t, r)
	s.run(10 * time.Second)
	if l := s.machine.leases[0]; !l.held.Permanent {
		t.Fatalf("%+v", l.held)
	}
	broken = false
	s.run(time.Hour)
	for _, l := range s.machine.leases {
		if l.held.Permanent || l.held.Lifetime != lifetime {
			t.Errorf("%+v", l.held)
		}
	}
	s.announced(1, "30.10.10.1 30303/30303 upnp")
}

package punch

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// The destinations in the tests, three neighbours and a liar, most with a second port; and the endpoints under which
// they see the node.
const (
	r1, r1other = "30.0.1.1:30303", "30.0.1.1:9"
	r2, r2other = "30.0.2.1:30303", "30.0.2.1:9"
	r3          = "30.0.3.1:30303"
	liar        = "30.0.9.1:30303"
	liarOther   = "30.0.9.1:9"

	x, y, z, w = "31.0.0.1:1000", "31.0.0.1:2000", "31.0.0.1:3000", "31.0.0.1:4000"
	mine       = "31.0.0.9:30303" // an address of the machine
	mineNear   = "192.168.1.9:30303"
)

func TestBelief(t *testing.T) {
	const s = time.Second
	const unknown, open, independent, dependent = Unknown, Open, EndpointIndependent, AddressDependent
	type sight struct {
		at   time.Duration // since noon
		by   string
		seen string
		want NAT
		end  string // the endpoint that is announced then
	}
	for _, tt := range []struct {
		name   string
		sights []sight
	}{
		{"one neighbour tells the endpoint, not the kind of NAT", []sight{{0, r1, x, unknown, x}, {20 * s, r1, x, unknown, x}}},
		{"two neighbours see the same", []sight{{0, r1, x, unknown, x}, {0, r2, x, independent, x}}},
		{"two ports of one see the same", []sight{{0, r1, x, unknown, x}, {0, r1other, x, independent, x}}},
		{"two neighbours see different endpoints", []sight{{0, r1, x, unknown, x}, {s, r2, y, dependent, x}, {2 * s, r3, z, dependent, x}}},
		{"two ports of one see different endpoints", []sight{{0, r1, x, unknown, x}, {s, r1other, y, dependent, x}, {20 * s, r1, x, dependent, x}}},
		{"an address of the machine", []sight{{0, r1, mine, open, mine}, {s, r2, mine, open, mine}}},
		{"IPv4 on a dual-stack socket", []sight{{0, r1, x, unknown, x}, {0, r2, "[::ffff:31.0.0.1]:1000", independent, x}}},
		{"impossible observations", []sight{{0, r1, "31.0.0.1:0", unknown, ""}, {0, r1, "[2a00::1]:1", unknown, ""}, {0, "[2a00::1]:1", x, unknown, ""}}},
		{"a private address seen from the Internet is a lie", []sight{{0, r1, mineNear, unknown, ""}, {0, r2, "100.64.0.1:1", unknown, ""}, {0, r1, x, unknown, x}}},

		{"observations more than a minute apart do not contradict each other", []sight{{0, r1, x, unknown, x}, {61 * s, r2, y, unknown, y}, {62 * s, r2other, y, independent, y}}},
		{"nor do several older ones", []sight{{0, r1, x, unknown, x}, {61 * s, r2, y, unknown, y}, {122 * s, r3, z, unknown, x}}},
		{"expired observations do not count", []sight{{0, r1, x, unknown, x}, {0, r2, x, independent, x}, {400 * s, r1, y, unknown, y}, {401 * s, r2, z, dependent, y}}},
		{"observations a minute apart do", []sight{{0, r1, x, unknown, x}, {60 * s, r2, y, dependent, x}}},

		{"one neighbour that disagrees changes nothing", []sight{
			{0, r1, x, unknown, x}, {0, r1other, x, independent, x}, {10 * s, r2, y, independent, x}, {20 * s, r1, x, independent, x}, {20 * s, r1other, x, independent, x}, {30 * s, r2, y, independent, x},
		}},
		{"its second port confirms it, while the first endpoint is still seen", []sight{
			{0, r1, x, unknown, x}, {0, r1other, x, independent, x}, {10 * s, r2, y, independent, x}, {11 * s, r2other, y, independent, x}, {20 * s, r1, x, dependent, x},
		}},
		{"so do different neighbours", []sight{
			{0, r1, x, unknown, x}, {0, r2, x, independent, x}, {10 * s, r3, y, independent, x}, {11 * s, liar, z, independent, x}, {20 * s, r1, x, dependent, x}, {21 * s, r2, x, dependent, x},
		}},
		{"a NAT that becomes address-dependent, with one neighbour", []sight{
			{0, r1, x, unknown, x}, {0, r1other, x, independent, x}, {20 * s, r1, y, independent, y}, {21 * s, r1other, z, independent, y}, {40 * s, r1, y, dependent, y},
		}},
		{"a NAT that becomes endpoint-independent", []sight{
			{0, r1, x, unknown, x}, {s, r1other, y, dependent, x}, {20 * s, r1, z, dependent, y}, {21 * s, r1other, z, independent, z},
		}},
		{"a new endpoint, with one neighbour", []sight{
			{0, r1, x, unknown, x}, {0, r1other, x, independent, x}, {20 * s, r1, y, independent, y}, {21 * s, r1other, y, independent, y},
		}},
		{"a new endpoint, with two", []sight{
			{0, r1, x, unknown, x}, {0, r1other, x, independent, x}, {s, r2, x, independent, x}, {s, r2other, x, independent, x},
			{20 * s, r1, y, independent, x}, {20 * s, r1other, y, independent, x}, {21 * s, r2, y, independent, y}, {21 * s, r2other, y, independent, y}, {40 * s, r1, y, independent, y},
		}},
		{"a new endpoint, and some neighbours that saw the old one have left", []sight{
			{0, r1, x, unknown, x}, {0, r2, x, independent, x}, {s, r3, x, independent, x}, {2 * s, liar, x, independent, x},
			{20 * s, r1, y, independent, x}, {21 * s, r2, y, independent, y},
		}},
		{"the only remaining neighbour sees a new endpoint", []sight{
			{0, r1, x, unknown, x}, {0, r2, x, independent, x}, {100 * s, r3, y, independent, x}, {300 * s, r3, y, independent, x}, {361 * s, r3, y, independent, y}, {400 * s, r3, y, independent, y}, {660 * s, r3, y, independent, y}, {661 * s, r3, y, unknown, y},
		}},

		{"a liar that comes first is outvoted", []sight{{0, liar, y, unknown, y}, {s, r1, x, dependent, y}, {2 * s, r2, x, independent, x}, {3 * s, r3, x, independent, x}}},
		{"also if it uses two ports", []sight{{0, liar, y, unknown, y}, {0, liarOther, y, independent, y}, {s, r1, x, independent, y}, {2 * s, r2, x, independent, x}, {3 * s, r3, x, independent, x}}},
		{"a liar that names an address of the machine is outvoted", []sight{{0, r1, x, unknown, x}, {0, r2, x, independent, x}, {s, liar, mine, independent, x}, {2 * s, liarOther, mine, independent, x}, {20 * s, r1, x, independent, x}}},
		{"a liar that names another address is outvoted", []sight{{0, r1, mine, open, mine}, {0, r2, mine, open, mine}, {s, liar, x, open, mine}, {2 * s, liarOther, y, open, mine}, {20 * s, r1, mine, open, mine}}},
		{"an address that the machine no longer has", []sight{{0, r1, mine, open, mine}, {20 * s, r1, x, unknown, x}, {21 * s, r1other, x, independent, x}}},

		{"neighbours in the private network see nothing of the NAT", []sight{{0, "192.168.1.7:1", mineNear, open, mineNear}, {0, "192.168.1.8:1", mineNear, open, mineNear}, {0, r1, x, unknown, x}, {s, r1other, x, independent, x}}},
		{"many nodes share a private address", []sight{{0, "127.0.0.1:1", "127.0.0.1:9", unknown, "127.0.0.1:9"}, {0, "127.0.0.1:2", "127.0.0.1:9", independent, "127.0.0.1:9"}}},
		{"one of them may lie", []sight{{0, "127.0.0.1:1", "127.0.0.1:8", unknown, "127.0.0.1:8"}, {s, "127.0.0.1:2", "127.0.0.1:9", dependent, "127.0.0.1:8"}, {2 * s, "127.0.0.1:3", "127.0.0.1:9", independent, "127.0.0.1:9"}}},
		{"IPv6 is independent of IPv4", []sight{{0, "[2a00::1]:1", "[2a00::9]:1", unknown, "[2a00::9]:1"}, {0, "[2a00::2]:1", "[2a00::9]:1", independent, "[2a00::9]:1"}, {s, r1, x, independent, "[2a00::9]:1"}, {s, r2, x, independent, x}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b belief
			nat, end := Unknown, netip.AddrPort{}
			for i, s := range tt.sights {
				now := noon.Add(s.at)
				changed := b.observe(netip.MustParseAddrPort(s.by), netip.MustParseAddrPort(s.seen), s.seen == mine || s.seen == mineNear, now)
				got := b.endpoint(now)
				if b.nat(now) != s.want || s.end == "" && got.IsValid() || s.end != "" && got != netip.MustParseAddrPort(s.end) {
					t.Errorf("step %d: %v at %v, want %v at %v", i, b.nat(now), got, s.want, s.end)
				}
				if is := b.nat(now) != nat || got != end; changed != is {
					t.Errorf("step %d: changed is %v", i, changed)
				}
				nat, end = b.nat(now), got
			}
		})
	}
}

func TestBeliefMapped(t *testing.T) {
	var b belief
	if !b.mapped(true) || b.nat(noon) != Open || b.endpoint(noon).IsValid() {
		t.Errorf("mapped: %v at %v", b.nat(noon), b.endpoint(noon))
	}
	b.observe(netip.MustParseAddrPort(r1), netip.MustParseAddrPort(x), false, noon)
	b.observe(netip.MustParseAddrPort(r2), netip.MustParseAddrPort(y), false, noon)
	if b.mapped(true) || b.nat(noon) != Open || b.endpoint(noon).String() != x {
		t.Errorf("mapped, seen differently: %v at %v", b.nat(noon), b.endpoint(noon))
	}
	if !b.mapped(false) || b.nat(noon) != AddressDependent {
		t.Errorf("no longer mapped: %v", b.nat(noon))
	}
}

func TestBeliefExpires(t *testing.T) {
	var b belief
	b.observe(netip.MustParseAddrPort(r1), netip.MustParseAddrPort(x), false, noon)
	b.observe(netip.MustParseAddrPort(r2), netip.MustParseAddrPort(x), false, noon)
	if now := noon.Add(helloEveryOpen); b.nat(now) != EndpointIndependent || b.endpoint(now).String() != x {
		t.Errorf("at the next HELLO of an open node: %v at %v", b.nat(now), b.endpoint(now))
	}
	if now := noon.Add(observationLife + 1); b.nat(now) != Unknown || b.endpoint(now).IsValid() {
		t.Errorf("later: %v at %v", b.nat(now), b.endpoint(now))
	}
}

func TestBeliefIsBounded(t *testing.T) {
	var b belief
	b.observe(netip.MustParseAddrPort(r1), netip.MustParseAddrPort(x), false, noon)
	b.observe(netip.MustParseAddrPort(r2), netip.MustParseAddrPort(x), false, noon)
	now := noon
	for port := range 100 { // one observer that uses port after port
		now = now.Add(time.Second)
		b.observe(netip.MustParseAddrPort(fmt.Sprintf("30.0.9.1:%d", port+1)), netip.MustParseAddrPort(y), false, now)
	}
	if n := len(b.views[0].list); n != maxDestinations || b.endpoint(now).String() != x {
		t.Errorf("%d observations, endpoint %v", n, b.endpoint(now))
	}
	if !slices.ContainsFunc(b.views[0].list, func(o observation) bool { return o.by.Port() == 100 }) {
		t.Error("the newest observation was dropped")
	}
	for host := range 100 {
		now = now.Add(time.Second)
		b.observe(netip.MustParseAddrPort(fmt.Sprintf("30.0.8.%d:1", host+1)), netip.MustParseAddrPort(z), false, now)
	}
	if n := len(b.views[0].list); n != maxDestinations || b.endpoint(now).String() != z {
		t.Errorf("%d observations, endpoint %v", n, b.endpoint(now))
	}
}

// TestBeliefHolds has one liar among three observers that agree. Once these were asked, nothing that the liar says
// changes the belief, however often and from however many ports it lies, as long as the others are asked every
// five minutes.
func TestBeliefHolds(t *testing.T) {
	said := []string{x, y, z, w, mine, "[2a00::1]:1", mineNear}
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 3))
		var b belief
		now := noon
		truth, want := x, EndpointIndependent
		if seed%2 == 1 {
			truth, want = mine, Open
		}
		observe := func(by, seen string) {
			b.observe(netip.MustParseAddrPort(by), netip.MustParseAddrPort(seen), seen == mine || seen == mineNear, now)
		}
		lie := func() {
			by := liar
			if random.IntN(2) == 0 {
				by = fmt.Sprintf("30.0.9.1:%d", 1+random.IntN(1+int(seed%40)))
			}
			observe(by, said[random.IntN(len(said))])
		}
		honest := []string{r1, r2, r3}
		last := map[string]time.Time{}
		every := []time.Duration{helloEvery, helloEveryOpen}[seed/2%2]
		for range random.IntN(5) {
			lie()
		}
		for _, by := range honest {
			now = now.Add(time.Duration(random.Int64N(int64(time.Second))))
			observe(by, truth)
			last[by] = now
		}
		for step := range 150 {
			now = now.Add(time.Duration(random.Int64N(int64(every / 8))))
			for _, by := range honest {
				if now.Sub(last[by]) > every*8/10 {
					observe(by, truth)
					last[by] = now
				}
			}
			lie()
			if b.nat(now) != want || b.endpoint(now).String() != truth {
				t.Fatalf("seed %d, step %d: %v at %v, want %v at %v", seed, step, b.nat(now), b.endpoint(now), want, truth)
			}
		}
	}
}

// TestBeliefFollows lets the NAT assign another endpoint again and again while the neighbours are asked one after the
// other. The belief stays, and once all have been asked twice the endpoint is the new one.
func TestBeliefFollows(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 4))
		var b belief
		now := noon
		asked := []string{r1, r1other, r2, r2other, r3}[:2+random.IntN(4)]
		for round := range 20 {
			at := fmt.Sprintf("31.0.0.1:%d", 1000+round)
			for range 2 {
				for _, i := range random.Perm(len(asked)) {
					now = now.Add(time.Duration(random.Int64N(int64(4 * time.Second))))
					b.observe(netip.MustParseAddrPort(asked[i]), netip.MustParseAddrPort(at), false, now)
					if nat := b.nat(now); round > 0 && nat != EndpointIndependent {
						t.Fatalf("seed %d, round %d: %v", seed, round, nat)
					}
				}
			}
			if b.endpoint(now).String() != at {
				t.Fatalf("seed %d, round %d: %v, want %v", seed, round, b.endpoint(now), at)
			}
		}
	}
}

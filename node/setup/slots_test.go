package setup

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

func TestSlots(t *testing.T) {
	type counts = [numSlotClasses]int
	type verdicts = [numSlotClasses]bool
	const known, called, announced, stranger = slotKnown, slotCalled, slotAnnounced, slotStranger
	all := verdicts{true, true, true, true}
	for _, tt := range []struct {
		name  string
		max   int
		taken counts
		want  verdicts
	}{
		{"empty", 50, counts{}, all},
		{"last slot for strangers", 50, counts{stranger: 37}, all},
		{"only kept slots left", 50, counts{stranger: 38}, verdicts{known: true, called: true, announced: true}},
		{"kept slots partly used", 50, counts{stranger: 38, known: 11}, verdicts{known: true, called: true, announced: true}},
		{"called connections have their share", 50, counts{called: 4}, verdicts{known: true, announced: true, stranger: true}},
		{"announced connections have their share", 50, counts{announced: 4}, verdicts{known: true, called: true, stranger: true}},
		{"the rest of the kept slots is for known nodes", 50, counts{stranger: 38, called: 4, announced: 4}, verdicts{known: true}},
		{"full", 50, counts{stranger: 38, known: 4, called: 4, announced: 4}, verdicts{}},
		{"known nodes may take all slots", 50, counts{known: 49}, all},
		{"known nodes have all slots", 50, counts{known: 50}, verdicts{}},
		{"three slots: none is kept", 3, counts{stranger: 2}, all},
		{"four slots: one is kept", 4, counts{stranger: 3}, verdicts{known: true, called: true, announced: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := slots{max: tt.max, taken: tt.taken}
			for class, want := range tt.want {
				class := slotClass(class)
				if got := s.take(class); got != want {
					t.Errorf("class %d: %v, want %v", class, got, want)
				} else if got {
					s.free(class)
				}
			}
			if s.taken != tt.taken {
				t.Errorf("slots %+v after take and free, want %v taken", s, tt.taken)
			}
		})
	}
}

func TestThrottle(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	type attempt struct {
		addr  string
		after time.Duration
		want  bool
	}
	tests := []struct {
		name     string
		attempts []attempt
	}{
		{"public address once in 30 s", []attempt{
			{"203.0.113.7", 0, true},
			{"203.0.113.7", time.Second, false},
			{"203.0.113.8", time.Second, true},
			{"203.0.113.7", 29 * time.Second, false},
			{"203.0.113.7", 30 * time.Second, true},
			{"203.0.113.7", 31 * time.Second, false},
		}},
		{"a refused attempt does not restart the window", []attempt{
			{"203.0.113.7", 0, true},
			{"203.0.113.7", 20 * time.Second, false},
			{"203.0.113.7", 40 * time.Second, true},
		}},
		{"an IPv6 host is a /64", []attempt{
			{"2001:db8::1", 0, true},
			{"2001:db8::ffff:2", 0, false},
			{"2001:db8:0:1::1", 0, true},
		}},
		{"loopback, private and link-local are exempt", []attempt{
			{"127.0.0.1", 0, true}, {"127.0.0.1", 0, true},
			{"::1", 0, true}, {"::1", 0, true},
			{"10.1.2.3", 0, true}, {"10.1.2.3", 0, true},
			{"fe80::1", 0, true}, {"fe80::1", 0, true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var th throttle
			for i, a := range tt.attempts {
				if got := th.allow(netip.MustParseAddr(a.addr), start.Add(a.after)); got != a.want {
					t.Errorf("attempt %d, %s after %v: %v, want %v", i, a.addr, a.after, got, a.want)
				}
			}
		})
	}
}

func TestThrottledNetwork(t *testing.T) {
	var th throttle
	allowed := func(network byte, now time.Time) (in int) {
		for i := range 256 {
			if th.allow(netip.AddrFrom4([4]byte{203, 0, network, byte(i)}), now) {
				in++
			}
		}
		return in
	}
	for i, tt := range []struct {
		network byte
		after   time.Duration
		want    int
	}{{113, 0, 16}, {113, 29 * time.Second, 0}, {114, 29 * time.Second, 16}, {113, 30 * time.Second, 16}} {
		if got := allowed(tt.network, epoch.Add(tt.after)); got != tt.want {
			t.Errorf("wave %d: %d of 256 allowed, want %d", i, got, tt.want)
		}
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	var th throttle
	now := time.Unix(1_000_000, 0)
	for i := range 3 * throttleMemory {
		th.allow(netip.AddrFrom4([4]byte{203, byte(i >> 8), byte(i), 1}), now)
		th.allow(netip.AddrFrom4([4]byte{203, byte(i >> 8), byte(i), 2}), now)
	}
	if len(th.seen) > throttleMemory || len(th.order) > throttleMemory || len(th.networks) > throttleMemory {
		t.Errorf("%d addresses remembered in a queue of %d, want at most %d", len(th.seen), len(th.order), throttleMemory)
	}
	if !th.allow(netip.AddrFrom4([4]byte{203, 0, 0, 1}), now) {
		t.Error("the oldest address is not forgotten")
	}
}

// TestThrottleReleasesMemory: when all addresses of a flood are forgotten, their memory is free.
func TestThrottleReleasesMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var th throttle
	now, before := time.Unix(1000, 0), heap()
	for i := range throttleMemory {
		th.allow(netip.AddrFrom4([4]byte{5, byte(i >> 8), byte(i), 1}), now)
	}
	full := heap() - before
	if !th.allow(netip.MustParseAddr("6.7.8.9"), now.Add(throttleWindow)) {
		t.Error("refused")
	}
	if left := heap() - before; left > full/8 {
		t.Errorf("%d bytes are left of %d", left, full)
	}
	runtime.KeepAlive(&th)
}

func TestAllowed(t *testing.T) {
	some := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	tests := []struct {
		networks []netip.Prefix
		addr     string
		want     bool
	}{
		{nil, "198.51.100.1", true},
		{some, "10.255.0.1", true},
		{some, "11.0.0.1", false},
		{some, "2001:db8:1::1", true},
		{some, "2001:db9::1", false},
		{some, "127.0.0.1", false},
	}
	for _, tt := range tests {
		if got := netaddr.Allowed(tt.networks, netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s in %v: %v, want %v", tt.addr, tt.networks, got, tt.want)
		}
	}
	if netaddr.Allowed(some, netip.Addr{}) {
		t.Error("a connection without an address is allowed")
	}
}

func TestAddrPortOf(t *testing.T) {
	tests := []struct {
		in   net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}, "192.0.2.1:5"},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 5}, "192.0.2.1:5"},
		{&net.UDPAddr{IP: net.ParseIP("2001:db8::1"), Port: 7}, "[2001:db8::1]:7"},
	}
	for _, tt := range tests {
		if got := netaddr.Of(tt.in); got.String() != tt.want {
			t.Errorf("%v: %v, want %s", tt.in, got, tt.want)
		}
	}
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if got := netaddr.Of(client.RemoteAddr()); !netaddr.Local(got.Addr()) || got.Addr().IsValid() {
		t.Errorf("pipe: %v, want an invalid address that counts as local", got)
	}
}

var epoch = time.Unix(1_000_000, 0)

package discovery

import (
	"net/netip"
	"testing"
	"time"
)

func TestHostRates(t *testing.T) {
	var r hostRates
	now := time.Unix(0, 0)
	one, other := netip.MustParseAddr("9.8.8.1"), netip.MustParseAddr("9.8.8.2")
	taken := func(from netip.Addr, packets int) (n int) {
		for range packets {
			if r.take(from, now) {
				n++
			}
		}
		return n
	}
	if n := taken(one, 2000); n != contactBurst {
		t.Errorf("%d packets at once, want %d", n, contactBurst)
	}
	now = now.Add(time.Second)
	if n := taken(one, 2000); n != contactRate {
		t.Errorf("%d packets after a second, want %d", n, contactRate)
	}
	if n := taken(other, 10); n != 10 {
		t.Errorf("another host: %d of 10 packets", n)
	}
	// A /64 counts as one host.
	if n := taken(netip.MustParseAddr("2001:db8::1"), 500) + taken(netip.MustParseAddr("2001:db8::2"), 500); n != contactBurst {
		t.Errorf("%d packets of one /64, want %d", n, contactBurst)
	}
	// Fewer than rateLimit other hosts do not bring a new burst, and memory is bounded.
	for i := range rateLimit - 10 {
		r.take(strangerNo(i).Addr(), now)
	}
	if n := taken(one, 10); n != 0 {
		t.Errorf("%d packets after many other hosts sent", n)
	}
	for i := range 5 * rateLimit {
		r.take(strangerNo(i).Addr(), now)
	}
	if n := len(r.young) + len(r.old); n > 2*rateLimit {
		t.Errorf("%d hosts are remembered", n)
	}
}

// TestContactFloodIsLimited: an endpoint that this node has answered, and which then floods it, costs
// it no more packets than its host's allowance, from whatever ports it sends.
func TestContactFloodIsLimited(t *testing.T) {
	perform(t, func(s *stage, c *Config) { c.V4, c.V5 = true, true }, func(s *stage) {
		var ports []netip.AddrPort
		for i := range 4 {
			at := netip.AddrPortFrom(netip.MustParseAddr("8.9.9.9"), uint16(1000+i))
			ports = append(ports, at)
			if _, err := s.discovery.mux.write(junk(100), at); err != nil {
				t.Fatal(err)
			}
		}
		const seconds, each = 20, 1000
		for range seconds {
			s.flood(each, func(i int) ([]byte, netip.AddrPort) { return junk(300), ports[i%len(ports)] })
			time.Sleep(time.Second)
		}
		dropped := s.status().Dropped
		if most := contactBurst + contactRate*seconds; seconds*each-int(dropped[DroppedContacts]) > most {
			t.Errorf("dropped %v of %d packets, want all but %d", dropped, seconds*each, most)
		}
		if dropped[DroppedStrangers] != 0 {
			t.Errorf("dropped %v, which counts contacts as strangers", dropped)
		}
	})
}

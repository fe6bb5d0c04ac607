package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// stunLike returns a datagram of the given size that looks like STUN. The first byte of its
// transaction ID is first.
func stunLike(size int, first byte) []byte {
	b := make([]byte, size)
	copy(b, []byte{0x00, 0x11, 0, 0, 0x21, 0x12, 0xA4, 0x42, first})
	return b
}

// sniffer consumes STUN whose transaction ID begins with 1, and records the senders and sizes of
// all datagrams.
type sniffer struct {
	mu    sync.Mutex
	asked []string
}

func (f *sniffer) sniff(datagram []byte, from netip.AddrPort) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprint(from, " ", len(datagram)))
	return datagram[8] == 1
}

func (f *sniffer) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func TestSniff(t *testing.T) {
	noCookie, highBits := stunLike(20, 1), stunLike(20, 1)
	noCookie[7]++
	highBits[0] = 0x40
	var f sniffer
	perform(t, func(_ *stage, c *Config) {
		c.V5, c.Sniff = true, f.sniff
		c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("8.0.0.0/8")}
	}, func(s *stage) {
		time.Sleep(time.Second)
		for _, c := range []struct {
			name    string
			data    []byte
			from    string
			asked   bool
			sniffed uint64
			dropped string // cause; empty: v5 or Sniff received it
		}{
			{"taken", stunLike(20, 1), "8.8.8.1:1", true, 1, ""},
			{"taken, long", stunLike(100, 1), "8.8.8.1:2", true, 1, ""},
			{"not taken", stunLike(20, 2), "8.8.8.1:3", true, 0, DroppedSize},
			{"not taken, for v5", stunLike(100, 2), "8.8.8.1:4", true, 0, ""},
			{"too short", stunLike(19, 1), "8.8.8.1:5", false, 0, DroppedSize},
			{"no cookie", noCookie, "8.8.8.1:6", false, 0, DroppedSize},
			{"type of more than 14 bits", highBits, "8.8.8.1:7", false, 0, DroppedSize},
			{"outside of NetRestrict", stunLike(100, 1), "9.9.9.9:8", false, 0, DroppedRestricted},
			{"empty", nil, "8.8.8.1:9", false, 0, DroppedSize},
		} {
			before, asked := s.status(), len(f.all())
			s.flood(1, func(int) ([]byte, netip.AddrPort) { return c.data, netip.MustParseAddrPort(c.from) })
			time.Sleep(time.Millisecond)
			after, now := s.status(), f.all()
			if got := len(now) > asked; got != c.asked || got && now[asked] != fmt.Sprint(c.from, " ", len(c.data)) {
				t.Errorf("%s: Sniff was called for %v", c.name, now[asked:])
			}
			if after.Packets != before.Packets+1 || after.Sniffed != before.Sniffed+c.sniffed {
				t.Errorf("%s: %d packets, %d of them sniffed; want 1, %d", c.name,
					after.Packets-before.Packets, after.Sniffed-before.Sniffed, c.sniffed)
			}
			for _, cause := range []string{DroppedSize, DroppedRestricted, DroppedForeign, DroppedStrangers, DroppedFull} {
				if got := after.Dropped[cause] > before.Dropped[cause]; got != (cause == c.dropped) {
					t.Errorf("%s: dropped for %s: %v", c.name, cause, got)
				}
			}
		}
	})
}

// TestSniffFlood: a flood of STUN from strangers is limited by its own allowance and does not
// affect v5; a datagram from an address to which the node has sent gets through.
func TestSniffFlood(t *testing.T) {
	const packets = 3 * strangerBurst
	var f sniffer
	onLine(t, func(_ *stage, c *Config) { c.Sniff = f.sniff }, func(s *stage, line *Line) {
		friend, r := netip.MustParseAddrPort("9.9.9.9:9"), s.addV5("9.9.9.8:30303")
		if err := line.Send(friend, stunLike(20, 1)); err != nil {
			t.Fatal(err)
		}
		s.flood(packets, func(i int) ([]byte, netip.AddrPort) { return stunLike(20, 1), strangerNo(i) })
		s.flood(1, func(int) ([]byte, netip.AddrPort) { return stunLike(20, 1), friend })
		if _, err := r.v5.Ping(s.local.Node()); err != nil {
			t.Errorf("an unknown v5 node gets no answer: %v", err)
		}
		asked, st := f.all(), s.status()
		if len(asked) != strangerBurst+1 || asked[strangerBurst] != fmt.Sprint(friend, " 20") {
			t.Errorf("Sniff was called %d times, the last time for %v; want %d, the last for %v", len(asked), asked[len(asked)-1], strangerBurst+1, friend)
		}
		if st.Sniffed != strangerBurst+1 || st.Dropped[DroppedStrangers] != packets-strangerBurst {
			t.Errorf("%d sniffed, dropped %v", st.Sniffed, st.Dropped)
		}
	})
}

// TestSniffPanics: a panic in Sniff crashes the actor, and after the restart the socket is read
// again.
func TestSniffPanics(t *testing.T) {
	var (
		f    sniffer
		once sync.Once
	)
	onLine(t, func(_ *stage, c *Config) {
		c.Sniff = func(datagram []byte, from netip.AddrPort) bool {
			once.Do(func() { panic("injected by the test") })
			return f.sniff(datagram, from)
		}
	}, func(s *stage, _ *Line) {
		for range 2 {
			s.flood(1, func(i int) ([]byte, netip.AddrPort) { return stunLike(20, 1), strangerNo(i) })
			time.Sleep(5 * time.Second)
		}
		if n := s.restarts(); n != 1 || len(f.all()) != 1 {
			t.Errorf("%d restarts, and then Sniff was called for %v; want 1 of each", n, f.all())
		}
	})
}

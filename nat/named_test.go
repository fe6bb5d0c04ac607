package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

func addrs(list string) (all []netip.Addr) {
	for _, text := range strings.Fields(list) {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestChooseAddrs(t *testing.T) {
	for _, tt := range []struct{ all, now, want string }{
		{"", "", ""},
		{"30.1.1.1", "", "30.1.1.1"},
		{"2a00::1", "", "2a00::1"},
		{"2a00::1 30.1.1.1", "", "30.1.1.1 2a00::1"},
		{"::ffff:30.1.1.1", "", "30.1.1.1"},
		{"30.1.1.1 30.1.1.2", "", "30.1.1.1"},
		{"30.1.1.2 30.1.1.1", "30.1.1.1", "30.1.1.1"}, // another order
		{"30.1.1.1 30.1.1.2 30.1.1.3", "30.1.1.2", "30.1.1.2"},
		{"30.1.1.2 2a00::2 2a00::1", "30.1.1.1 2a00::1", "30.1.1.2 2a00::1"},
		{"2a00::1", "30.1.1.1 2a00::1", "2a00::1"},
		{"127.0.1.1 30.1.1.1", "", "30.1.1.1"},
		{"127.0.1.1 30.1.1.1", "127.0.1.1", "30.1.1.1"},
		{"30.1.1.1 127.0.1.1", "127.0.1.1", "30.1.1.1"},
		{"127.0.1.1 2a00::1", "", "2a00::1"},
		{"30.1.1.1 ::1", "", "30.1.1.1"},
		{"127.0.0.1 ::1", "", "127.0.0.1 ::1"},
		{"192.168.1.2", "", "192.168.1.2"},
		{"0.0.0.0 :: 224.0.0.1 ff02::1 fe80::1%eth0", "", ""},
	} {
		var now Reading
		if a := addrs(tt.now); len(a) > 0 {
			now.IP = a[0]
			if len(a) > 1 {
				now.Other = a[1]
			}
		}
		got := chooseAddrs(addrs(tt.all), now)
		text := ""
		for _, ip := range []netip.Addr{got.IP, got.Other} {
			if ip.IsValid() {
				text = strings.TrimSpace(text + " " + ip.String())
			}
		}
		if text != tt.want {
			t.Errorf("of %s, now %s: %s, want %s", tt.all, tt.now, text, tt.want)
		}
	}
}

// names is a resolver.
type names struct {
	mu      sync.Mutex
	addrs   string
	err     error
	lookups []time.Time
}

func (n *names) set(addrs string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs, n.err = addrs, err
}

func (n *names) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookups = append(n.lookups, time.Now())
	if host != "home.example" {
		return nil, errors.New("another name")
	}
	return addrs(n.addrs), n.err
}

// TestNameOfTheNode: the name of extip:HOST is looked up at the start, until it has an address, and
// then every five minutes. A failed lookup changes nothing.
func TestNameOfTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := &net.DNSError{Err: "no such host", Name: "home.example", IsNotFound: true}
		dns := &names{err: missing}
		var mu sync.Mutex
		var news []ExternalAddress
		var journal []supervise.Step
		n, err := New(Config{
			Spec: Spec{Method: MethodFixed, Host: "home.example"}, TCPPort: 30303, UDPPort: 30304, Lookup: dns.lookup, Random: func() float64 { return 0 },
			Publish: func(a ExternalAddress) { mu.Lock(); defer mu.Unlock(); news = append(news, a) },
			Journal: supervise.NewJournal(nil, func(e supervise.Step) { mu.Lock(); defer mu.Unlock(); journal = append(journal, e) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &stage{t: t, root: actortest.NewSystem().Root, nat: n, stopped: make(chan struct{})}
		p := &parent{Supervisor: supervise.NewSupervisor(supervise.SystemClock, nil, nil), stage: s, props: n.Props()}
		top := s.root.Spawn(actor.PropsFromProducer(func() actor.Actor { return p }, actor.WithSupervisor(p)))
		// expect checks the state after d: how often the address and each event were told, and the address.
		expect := func(d time.Duration, published int, address, other string, events map[string]int) {
			t.Helper()
			after(d)
			mu.Lock()
			defer mu.Unlock()
			if len(news) != published {
				t.Fatalf("published %+v, want %d times", news, published)
			}
			if published > 0 {
				want := ExternalAddress{IP: netip.MustParseAddr(address), TCPPort: 30303, UDPPort: 30304, Method: MethodFixed, Confidence: Configured}
				if other != "" {
					want.Other = netip.MustParseAddr(other)
				}
				if got := news[published-1]; got != want || n.State().External != want {
					t.Errorf("published %+v, status %+v; want %+v", got, n.State().External, want)
				}
			}
			for event, want := range events {
				got := 0
				for _, e := range journal {
					if e.Event == event {
						got++
					}
				}
				if got != want {
					t.Errorf("%s is logged %d times, want %d", event, got, want)
				}
			}
		}
		expect(20*time.Minute, 0, "", "", map[string]int{eventGaveUp: 1})
		if st := n.State(); len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "home.example: look up the name: no such host") {
			t.Errorf("%+v", st)
		}
		if k := len(dns.lookups); k < 8 || k > 14 { // 2 s, doubling to 5 minutes
			t.Errorf("%d lookups in 20 minutes", k)
		}
		dns.set("30.1.1.2 30.1.1.1", nil)
		expect(5*time.Minute, 1, "30.1.1.2", "", map[string]int{eventMapped: 2, eventMoved: 0})
		if n.State().State != Mapped {
			t.Errorf("%+v", n.State())
		}
		dns.set("30.1.1.1 30.1.1.2", nil) // another order
		expect(time.Hour, 1, "30.1.1.2", "", nil)
		dns.set("2a00::1 30.1.1.1 30.1.1.2", nil)
		expect(5*time.Minute, 2, "30.1.1.2", "2a00::1", map[string]int{eventMoved: 0})
		dns.set("30.1.1.9 2a00::1", nil)
		expect(5*time.Minute, 3, "30.1.1.9", "2a00::1", map[string]int{eventMoved: 1})
		for _, fault := range []error{missing, context.DeadlineExceeded} {
			dns.set("", fault)
			expect(2*time.Hour, 3, "30.1.1.9", "2a00::1", nil)
			dns.set("30.1.1.9 2a00::1", nil)
			expect(5*time.Minute, 3, "30.1.1.9", "2a00::1", nil)
		}
		expect(0, 3, "30.1.1.9", "2a00::1", map[string]int{eventLost: 2, eventGaveUp: 1})
		dns.set("2a00::1", nil)
		expect(5*time.Minute, 4, "2a00::1", "", map[string]int{eventMoved: 2})
		dns.mu.Lock()
		before := len(dns.lookups)
		dns.mu.Unlock()
		expect(time.Hour, 4, "2a00::1", "", nil)
		dns.mu.Lock()
		if k := len(dns.lookups) - before; k != 12 {
			t.Errorf("%d lookups in an hour, want 12", k)
		}
		dns.mu.Unlock()
		supervise.Send(s.root, s.pid, &Leave{})
		<-s.stopped
		s.root.Stop(top)
		time.Sleep(15 * time.Second)
	})
}

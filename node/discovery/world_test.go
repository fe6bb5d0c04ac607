package discovery

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// fakeDNS is a resolver with the entries of one signed list.
type fakeDNS struct {
	mu      sync.Mutex
	texts   map[string]string
	broken  bool
	queries int
}

func (f *fakeDNS) LookupTXT(_ context.Context, domain string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries++
	if text, ok := f.texts[domain]; ok && !f.broken {
		return []string{text}, nil
	}
	return nil, errors.New("no such host " + domain)
}

// newList returns a resolver with a list of these nodes, and the list's URL.
func newList(t *testing.T, nodes ...*enode.Node) (*fakeDNS, string) {
	t.Helper()
	tree, err := dnsdisc.MakeTree(1, nodes, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := fixture.Key(t)
	url, err := tree.Sign(key, "nodes.example.org")
	if err != nil {
		t.Fatal(err)
	}
	return &fakeDNS{texts: tree.ToTXT("nodes.example.org")}, url
}

func TestDNSList(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		var nodes []*enode.Node
		for _, ip := range []string{"8.8.8.1", "8.8.8.2", "8.8.8.3", "127.0.0.1"} {
			nodes = append(nodes, nodeAt(t, ip, 30303))
		}
		dns, url := newList(t, nodes...)
		c.DNS, c.Resolver = []string{url}, dns
		c.Conns = nil
		c.Local.SetStaticIP(netip.MustParseAddr("9.9.9.9").AsSlice())
		c.Local.Node()
	}, func(s *stage) {
		s.ask(3)
		seen := map[netip.Addr]bool{}
		for _, c := range s.candidates(3) {
			seen[c.Node.IPAddr()] = true
			if c.Source != SourceDNS || c.Node.IPAddr().IsLoopback() {
				t.Errorf("candidate %v from %s", c.Node, c.Source)
			}
		}
		if len(seen) != 3 {
			t.Errorf("candidates at %v, want three addresses", seen)
		}
	})
}

// TestDNSListOutOfReach: a list that can't be read is logged once, and read as soon as it is
// readable.
func TestDNSListOutOfReach(t *testing.T) {
	dns, url := newList(t, nodeAt(t, "8.8.8.1", 30303))
	dns.broken = true
	var log actortest.Log
	perform(t, func(s *stage, c *Config) {
		c.DNS, c.Resolver, c.Conns, c.Logger = []string{url}, dns, nil, slog.New(slog.NewTextHandler(&log, nil))
	}, func(s *stage) {
		s.ask(1)
		time.Sleep(time.Hour)
		if st := s.status(); st.DNSFailures < listFailureLimit || st.DNSError == "" {
			t.Errorf("status shows %d failures, the last is %q", st.DNSFailures, st.DNSError)
		}
		if n := len(log.Lines("reading a DNS node list failed")); n != 1 {
			t.Errorf("the failure is logged %d times, want once", n)
		}
		dns.mu.Lock()
		dns.broken = false
		if dns.queries > 1000 {
			t.Errorf("%d queries in an hour without success", dns.queries)
		}
		dns.mu.Unlock()
		s.candidates(1)
		if st := s.status(); st.DNSError != "" {
			t.Errorf("status still shows the error %q", st.DNSError)
		}
	})
}

// TestCredit: no requester receives more candidates than it requested, and no search runs without a
// request.
func TestCredit(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4("10.0.0.4:30303")
		for _, at := range []string{"10.0.0.5:30303", "10.0.0.6:30303", "10.0.0.7:30303"} {
			s.addV4(at, boot.node())
		}
		c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
	}, func(s *stage) {
		time.Sleep(time.Minute)
		if found := s.status().Sources[SourceV4].Found; found != 0 {
			t.Errorf("%d nodes were found before the first request", found)
		}
		s.ask(1)
		s.ask(2)
		s.candidates(3)
		time.Sleep(time.Minute)
		if got := s.candidates(3); len(got) != 3 {
			t.Errorf("%d candidates, want 3", len(got))
		}
		before := s.status()
		time.Sleep(time.Minute)
		if after := s.status(); after.Sources[SourceV4].Found != before.Sources[SourceV4].Found || after.Wanted != 0 {
			t.Errorf("the search continues without a request: %v, before %v", after, before)
		}
		s.ask(100)
		s.candidates(5)
		s.ask(0) // withdraws the rest
		s.status()
		got := len(s.candidates(5))
		time.Sleep(time.Minute)
		if now := len(s.candidates(5)); now != got {
			t.Errorf("%d candidates arrived after the request was withdrawn", now-got)
		}
	})
}

// TestCreditEndsWithItsReceiver: the requests of a receiver are forgotten when it stops.
func TestCreditEndsWithItsReceiver(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4("10.0.0.4:30303")
		c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
	}, func(s *stage) {
		s.ask(500)
		s.candidates(1)
		s.root.Stop(s.asker)
		time.Sleep(time.Minute)
		if w := s.status().Wanted; w != 0 {
			t.Errorf("%d candidates are still wanted for a stopped receiver", w)
		}
	})
}

// TestWantSeesTheRecord: with a Want, nodes of the v4 walk are asked for their record first.
func TestWantSeesTheRecord(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4("10.0.0.4:30303")
		s.addV4With([]enr.Entry{enr.WithEntry("fork", uint64(7))}, "10.0.0.5:30303", boot.node())
		c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
		c.Want = func() func(*enode.Node) bool {
			return func(n *enode.Node) bool {
				var fork uint64
				return n.Load(enr.WithEntry("fork", &fork)) == nil && fork == 7
			}
		}
	}, func(s *stage) {
		s.ask(2)
		for _, c := range s.candidates(2) {
			if c.Node.IPAddr() != netip.MustParseAddr("10.0.0.5") || c.Node.Seq() == 0 {
				t.Errorf("candidate %v", c.Node)
			}
		}
		if s.status().Refused[RefusedUnwanted] == 0 {
			t.Error("the other node was never refused")
		}
	})
}

func TestResolve(t *testing.T) {
	keyOf := func(r *remote) *ecdsa.PublicKey { return r.node().Pubkey() }
	var v4, v5 *remote
	perform(t, func(s *stage, c *Config) {
		boot4, boot5 := s.addV4("10.0.0.4:30303"), s.addV5("10.0.0.5:30303")
		v4, v5 = s.addV4("10.0.0.14:30303", boot4.node()), s.addV5("10.0.0.15:30303", boot5.node())
		c.V4, c.V5 = true, true
		c.Bootnodes, c.BootnodesV5 = []*enode.Node{boot4.node()}, []*enode.Node{boot5.node()}
	}, func(s *stage) {
		time.Sleep(time.Minute)
		absent := enode.NewV4(&fixture.Key(t).PublicKey, nil, 0, 0)
		for _, n := range []*enode.Node{enode.NewV4(keyOf(v4), nil, 0, 0), enode.NewV4(keyOf(v5), nil, 0, 0), absent} {
			s.root.Send(s.pid, &Resolve{Node: n, To: s.asker})
		}
		answers := map[enode.ID]*enode.Node{}
		for _, r := range eventually(s, 3, &s.resolved, "answers") {
			answers[r.ID] = r.Node
		}
		for _, r := range []*remote{v4, v5} {
			if n := answers[r.node().ID()]; n == nil || n.IPAddr() != r.node().IPAddr() {
				t.Errorf("resolved to %v, want %v", n, r.node())
			}
		}
		if n := answers[absent.ID()]; n != nil {
			t.Errorf("a nonexistent node was resolved to %v", n)
		}
	})
}

// TestBootnodeByName: a bootnode's name that can't be resolved at the start, or for which a filter
// of names answers, is looked up again. This node's own name is not looked up.
func TestBootnodeByName(t *testing.T) {
	t.Run("no such host", func(t *testing.T) { testBootnodeByName(t, nil, errors.New("no such host")) })
	t.Run("filtered", func(t *testing.T) { testBootnodeByName(t, []netip.Addr{netip.IPv4Unspecified()}, nil) })
}

func testBootnodeByName(t *testing.T, wrong []netip.Addr, failure error) {
	var (
		log  actortest.Log
		mu   sync.Mutex
		up   bool
		asks int
	)
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4("10.0.0.4:30303")
		c.V4, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
		named := enode.NewV4(boot.node().Pubkey(), nil, 30303, 30303).WithHostname("boot.example.org")
		own := enode.NewV4(&c.Key.PublicKey, nil, 30303, 30303).WithHostname("own.example.org")
		c.Bootnodes = []*enode.Node{named, own}
		c.LookupHost = func(_ context.Context, host string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			if asks++; host != "boot.example.org" || !up {
				return wrong, failure
			}
			return []netip.Addr{netip.MustParseAddr("2a00::1"), netip.MustParseAddr("10.0.0.4")}, nil
		}
	}, func(s *stage) {
		s.ask(1)
		time.Sleep(10 * time.Minute)
		if n := len(log.Lines("skips a bootnode")); n != 1 {
			t.Errorf("the missing bootnode is logged %d times, want once", n)
		}
		mu.Lock()
		up = true
		if asks < 10 || asks > 30 {
			t.Errorf("its name was looked up %d times in ten minutes, want 10 to 30", asks)
		}
		mu.Unlock()
		s.candidates(1)
	})
}

// TestEmptyTableIsRefilled: a node that lost all nodes of its table, because the network was down,
// returns to its bootnode soon, also while it needs no candidates. Otherwise no other node could
// find it.
func TestEmptyTableIsRefilled(t *testing.T) {
	for _, version := range []string{"v4", "v5"} {
		t.Run(version, func(t *testing.T) {
			const at = "10.0.0.4:30303"
			live := func(s *stage) int {
				if version == "v4" {
					return s.status().V4.Live
				}
				return s.status().V5.Live
			}
			perform(t, func(s *stage, c *Config) {
				if version == "v4" {
					c.V4, c.Bootnodes = true, []*enode.Node{s.addV4(at).node()}
				} else {
					c.V5, c.BootnodesV5 = true, []*enode.Node{s.addV5(at).node()}
				}
			}, func(s *stage) {
				time.Sleep(10 * time.Second)
				if n := live(s); n != 1 {
					t.Fatalf("%d live nodes, want the bootnode", n)
				}
				back := s.net.cut(at)
				// Both nodes drop each other. After 32 unanswered queries the library would look for an
				// NTP server, by the real network.
				time.Sleep(25 * time.Second)
				if n := live(s); n != 0 {
					t.Fatalf("%d live nodes after 25 s without network, want none", n)
				}
				back()
				time.Sleep(time.Minute)
				if n := live(s); n != 1 {
					t.Errorf("%d live nodes a minute after the network is back, want the bootnode", n)
				}
			})
		})
	}
}

// TestNetRestrict: a bootnode outside of NetRestrict is not used, and packets from there are
// dropped.
func TestNetRestrict(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		outside, inside := s.addV4("10.1.0.4:30303"), s.addV4("10.0.0.4:30303")
		c.V4, c.V5 = true, true
		c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}
		c.Bootnodes = []*enode.Node{outside.node(), inside.node()}
	}, func(s *stage) {
		s.ask(1)
		if got := s.candidates(1)[0].Node.IPAddr(); got != netip.MustParseAddr("10.0.0.4") {
			t.Errorf("candidate at %v", got)
		}
		s.send("10.1.0.5:30303")
		time.Sleep(time.Second)
		st := s.status()
		if st.V4.Nodes != 1 || st.Dropped[DroppedRestricted] == 0 {
			t.Errorf("%d nodes in the table, dropped %v", st.V4.Nodes, st.Dropped)
		}
	})
}

// TestTwoFamilies: IPv6 packets use a socket of their own if there is one.
func TestTwoFamilies(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		four, six := s.addV4("10.0.0.4:30303"), s.addV4("[fd00::4]:30303")
		c.V4, c.Bootnodes = true, []*enode.Node{four.node(), six.node()}
		c.Conns = append(c.Conns, s.net.listen("[fd00::1]:30303"))
	}, func(s *stage) {
		s.ask(2)
		families := map[bool]int{}
		for _, c := range s.candidates(2) {
			families[c.Node.IPAddr().Is4()]++
		}
		if families[true] != 1 || families[false] != 1 {
			t.Errorf("candidates of IPv4 and IPv6: %v", families)
		}
		if live := func() int { time.Sleep(time.Minute); return s.status().V4.Live }(); live != 2 {
			t.Errorf("%d nodes have answered, want both", live)
		}
	})
}

func TestConfigRefused(t *testing.T) {
	key := fixture.Key(t)
	db, err := enode.OpenDB("")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	local := enode.NewLocalNode(db, key)
	conns := []discover.UDPConn{newSimNet().listen(stageAddr)}
	for _, c := range []struct {
		name string
		Config
		want string
	}{
		{"no key", Config{Local: local, V4: true, Conns: conns}, "are required"},
		{"no record", Config{Key: key, V4: true, Conns: conns}, "are required"},
		{"record of another", Config{Key: fixture.Key(t), Local: local, V4: true, Conns: conns}, "another key"},
		{"nothing to do", Config{Key: key, Local: local, Conns: conns}, "no source"},
		{"no socket", Config{Key: key, Local: local, V5: true}, "UDP socket"},
		{"bad list", Config{Key: key, Local: local, DNS: []string{"enrtree://nonsense"}}, "enrtree://nonsense"},
		{"bad bootnode", Config{Key: key, Local: local, V4: true, Conns: conns, Bootnodes: []*enode.Node{enode.NewV4(&key.PublicKey, nil, 0, 0)}}, "bootnode"},
		{"no bootnode", Config{Key: key, Local: local, V5: true, Conns: conns, BootnodesV5: []*enode.Node{nil}}, "bootnode"},
	} {
		if _, err := New(c.Config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestParseBootnodes: a list of bootnodes, as of a flag, is checked like that of a Config.
func TestParseBootnodes(t *testing.T) {
	id := strings.TrimPrefix(enode.NewV4(&fixture.Key(t).PublicKey, nil, 0, 0).URLv4(), "enode://")
	for url, want := range map[string]string{
		"@192.0.2.1:30303":            "",
		"@node.example:30303":         "",
		"@192.0.2.1:0?discport=30303": "",
		"":                            "IP address",
		"@:30303":                     "IP address",
		"@192.0.2.1:0":                "UDP port",
		"@192.0.2.1:1?discport=0":     "UDP port",
		"@node.example:0":             "UDP port",
		"@0.0.0.0:30303":              "unspecified",
		"@224.0.0.1:30303":            "IP address",
		"@192.0.2.1:65536":            "port",
	} {
		nodes, err := ParseNodes("enode://" + id + url)
		if want == "" && (err != nil || len(nodes) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %v; want the error %q", url, nodes, err, want)
		}
	}
}

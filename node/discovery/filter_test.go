package discovery

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// nodeAt returns a node with a signed record. A tcp of 0 means no tcp entry.
func nodeAt(t *testing.T, ip string, tcp uint16) *enode.Node {
	t.Helper()
	r := new(enr.Record)
	a := netip.MustParseAddr(ip)
	if a.Is4() {
		r.Set(enr.IPv4Addr(a))
	} else {
		r.Set(enr.IPv6Addr(a))
	}
	if tcp != 0 {
		r.Set(enr.TCP(tcp))
	}
	r.SetSeq(1)
	if err := enode.SignV4(r, fixture.Key(t)); err != nil {
		t.Fatal(err)
	}
	n, err := enode.New(enode.ValidSchemes, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFilter(t *testing.T) {
	prefixes := func(list ...string) (all []netip.Prefix) {
		for _, p := range list {
			all = append(all, netip.MustParsePrefix(p))
		}
		return all
	}
	const publicIP, lanIP, noIP = "9.9.9.9", "192.168.0.7", ""
	for _, c := range []struct {
		name     string
		ip       string
		tcp      uint16
		own      string
		restrict []netip.Prefix
		want     string // the expected cause of refusal
	}{
		{"public", "8.8.8.8", 30303, publicIP, nil, ""},
		{"public, own address on a LAN", "8.8.8.8", 30303, lanIP, nil, ""},
		{"public IPv6", "2a00:1450::1", 30303, publicIP, nil, ""},
		{"no port", "8.8.8.8", 0, publicIP, nil, RefusedNoTCP},
		{"multicast", "224.0.0.1", 30303, noIP, nil, RefusedNoTCP},
		{"documentation", "192.0.2.1", 30303, noIP, nil, RefusedAddress},
		{"broadcast", "255.255.255.255", 30303, noIP, nil, RefusedAddress},
		{"loopback, own address public", "127.0.0.1", 22, publicIP, nil, RefusedLocal},
		{"loopback IPv6, own address public", "::1", 22, publicIP, nil, RefusedLocal},
		{"mapped loopback, own address public", "::ffff:127.0.0.1", 22, publicIP, nil, RefusedLocal},
		{"LAN, own address public", "10.1.2.3", 22, publicIP, nil, RefusedLocal},
		{"LAN, own address on a LAN", "192.168.0.8", 30303, lanIP, nil, ""},
		{"loopback, own address unknown", "127.0.0.1", 30303, noIP, nil, ""},
		{"LAN, own address public, but restricted to the LAN", "10.1.2.3", 30303, publicIP, prefixes("10.0.0.0/8"), ""},
		{"carrier-grade NAT, own address public", "100.64.0.9", 30303, publicIP, nil, RefusedLocal},
		{"carrier-grade NAT, own address on a LAN", "100.64.0.9", 30303, lanIP, nil, ""},
		{"reserved", "240.0.0.1", 30303, publicIP, nil, RefusedAddress},
		{"a LAN address in an IPv6 one", "64:ff9b::a01:203", 30303, publicIP, nil, RefusedAddress},
		{"restricted", "8.8.8.8", 30303, publicIP, prefixes("10.0.0.0/8"), RefusedRestricted},
		{"within", "8.8.8.8", 30303, publicIP, prefixes("10.0.0.0/8", "8.8.0.0/16"), ""},
		{"unwanted", "8.8.4.4", 30303, publicIP, nil, RefusedUnwanted},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &filter{restrict: c.restrict, lately: newRecent[enode.ID](repeatAfter, repeatLimit)}
			f.address = func() netip.Addr {
				if c.own == noIP {
					return netip.Addr{}
				}
				return netip.MustParseAddr(c.own)
			}
			f.want = func() func(*enode.Node) bool {
				return func(n *enode.Node) bool { return n.IPAddr() != netip.MustParseAddr("8.8.4.4") }
			}
			n := nodeAt(t, c.ip, c.tcp)
			if got := f.pass(n, noon); got != (c.want == "") {
				t.Errorf("passed: %v, refusals %v, want %q", got, f.refused.snapshot(), c.want)
			}
			if c.want != "" && f.refused.snapshot()[c.want] != 1 {
				t.Errorf("refusals %v, want %q", f.refused.snapshot(), c.want)
			}
		})
	}
}

func TestFilterPrecheck(t *testing.T) {
	n := nodeAt(t, "8.8.8.8", 30303)
	f := &filter{lately: newRecent[enode.ID](repeatAfter, repeatLimit)}
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Second, false}, {2 * repeatAfter, true}} {
		if got := f.precheck(n, noon.Add(step.after)); got != step.want {
			t.Errorf("after %v: %v, want %v", step.after, got, step.want)
		}
	}
	f.self = n.ID()
	if f.precheck(n, noon.Add(time.Hour)) || f.refused.snapshot()[RefusedSelf] != 1 || f.refused.snapshot()[RefusedRepeated] != 1 {
		t.Errorf("refusals %v, want one of each", f.refused.snapshot())
	}
}

func TestFilterNeedsRecord(t *testing.T) {
	signed := nodeAt(t, "8.8.8.8", 30303)
	unsigned := enode.NewV4(signed.Pubkey(), signed.IP(), 30303, 30303)
	var choosy func(*enode.Node) bool // the wanted predicate may change
	f := &filter{want: func() func(*enode.Node) bool { return choosy }}
	for _, step := range []struct {
		choosy, want bool
	}{{false, false}, {true, true}, {false, false}} {
		choosy = nil
		if step.choosy {
			choosy = func(*enode.Node) bool { return true }
		}
		if f.needsRecord(unsigned) != step.want || f.needsRecord(signed) || !f.wanted(signed) {
			t.Error("needsRecord is not true exactly for a node without record while there is a predicate")
		}
	}
}

func TestCrowds(t *testing.T) {
	var c crowds
	admitted := func(ip string, tries int, after time.Duration) (n int) {
		for range tries {
			if c.admit(netip.MustParseAddr(ip), noon.Add(after)) {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		ip          string
		after       time.Duration
		tries, want int
	}{
		{"8.8.8.1", 0, 6, 6},
		{"8.8.8.200", 0, 20, crowdShare - 6},
		{"8.8.9.1", 0, 20, crowdShare},
		{"2a00:1:2:3::1", 0, 6, 6},
		{"2a00:1:2:4::1", 0, 20, crowdShare - 6},
		{"192.168.1.1", 0, 100, 100},
		{"127.0.0.1", 0, 100, 100},
		{"8.8.8.1", crowdSpan, 20, crowdShare},
	} {
		if got := admitted(step.ip, step.tries, step.after); got != step.want {
			t.Errorf("%s after %v: %d of %d, want %d", step.ip, step.after, got, step.tries, step.want)
		}
	}
	for i := range 100_000 {
		c.admit(netip.AddrFrom4([4]byte{8, byte(i >> 8), byte(i), 1}), noon)
	}
	if len(c.counts) > crowdLimit {
		t.Errorf("%d networks in memory, want at most %d", len(c.counts), crowdLimit)
	}
}

package bans

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

var epoch = time.Unix(1_000_000, 0)

func banOn(target string, d time.Duration, automatic bool) Ban {
	t, err := ParseTarget(target)
	if err != nil {
		panic(err)
	}
	return Ban{Target: t, Since: epoch, Until: epoch.Add(d), Reason: "test", Automatic: automatic}
}

func TestParseBanTarget(t *testing.T) {
	id := strings.Repeat("ab", 32)
	n := fixture.Node(t)
	tests := []struct{ in, want string }{
		{id, id}, {"0x" + id, id}, {n.URLv4(), n.ID().String()}, {n.String(), n.ID().String()},
		{" 203.0.113.7 ", "203.0.113.7"}, {"::ffff:203.0.113.7", "203.0.113.7"}, {"2001:db8::1", "2001:db8::1"},
		{"203.0.113.7/24", "203.0.113.0/24"}, {"2001:db8::/48", "2001:db8::/48"}, {"203.0.113.7/32", "203.0.113.7"},
		{"::ffff:203.0.113.7/120", "203.0.113.0/24"}, {"::ffff:203.0.113.7/128", "203.0.113.7"}, {"::ffff:0:0/96", "0.0.0.0/0"}, {"::ffff:203.0.113.7/90", ""}, {"::/0", "::/0"},
		{"", ""}, {"none", ""}, {"203.0.113.7/33", ""}, {"abcd", ""},
	}
	for _, tt := range tests {
		got, err := ParseTarget(tt.in)
		if (err != nil) != (tt.want == "") || err == nil && got.String() != tt.want {
			t.Errorf("%q: got %v, %v; want %q", tt.in, got, err, tt.want)
		}
		if err == nil && got.Check() != nil {
			t.Errorf("%q: %v", tt.in, got.Check())
		}
	}
	for _, bad := range []Target{{}, {ID: enode.ID{1}, Net: netip.MustParsePrefix("10.0.0.0/8")}, {Net: netip.MustParsePrefix("10.0.0.1/8")}, {Net: netip.MustParsePrefix("::ffff:10.0.0.1/104")}} {
		if bad.Check() == nil {
			t.Errorf("%v is accepted as a target", bad)
		}
	}
}

func TestBanned(t *testing.T) {
	const id, other = "1100000000000000000000000000000000000000000000000000000000000000", "2200000000000000000000000000000000000000000000000000000000000000"
	tests := []struct {
		name     string
		bans     []Ban
		id, addr string
		after    time.Duration
		want     bool
	}{
		{name: "none", id: id, addr: "203.0.113.1"},
		{name: "node", bans: []Ban{banOn(id, time.Hour, false)}, id: id, addr: "203.0.113.1", want: true},
		{name: "another node", bans: []Ban{banOn(other, time.Hour, false)}, id: id, addr: "203.0.113.1"},
		{name: "node, address unknown", bans: []Ban{banOn(id, time.Hour, false)}, id: id, want: true},
		{name: "ended", bans: []Ban{banOn(id, time.Hour, false)}, id: id, after: time.Hour},
		{name: "address", bans: []Ban{banOn("203.0.113.1", time.Hour, false)}, addr: "203.0.113.1", want: true},
		{name: "next address", bans: []Ban{banOn("203.0.113.1", time.Hour, false)}, addr: "203.0.113.2"},
		{name: "address ended", bans: []Ban{banOn("203.0.113.1", time.Hour, false)}, addr: "203.0.113.1", after: 2 * time.Hour},
		{name: "network", bans: []Ban{banOn("203.0.113.0/24", time.Hour, false)}, id: id, addr: "203.0.113.250", want: true},
		{name: "network, other family", bans: []Ban{banOn("0.0.0.0/0", time.Hour, false)}, addr: "2001:db8::1"},
		{name: "network, IPv4-mapped address", bans: []Ban{banOn("203.0.113.0/24", time.Hour, false)}, addr: "::ffff:203.0.113.1", want: true},
		{name: "IPv4-mapped network", bans: []Ban{banOn("::ffff:203.0.113.0/120", time.Hour, false)}, addr: "203.0.113.1", want: true},
		{name: "IPv6 network", bans: []Ban{banOn("2001:db8::/32", time.Hour, false)}, addr: "2001:db8:1::1%eth0", want: true},
		{name: "one of several prefix lengths", bans: []Ban{banOn("10.0.0.0/8", time.Hour, false), banOn("203.0.112.0/20", time.Hour, false), banOn("198.51.100.1", time.Hour, false)}, addr: "203.0.113.1", want: true},
		{name: "replaced by a shorter ban of the operator", bans: []Ban{banOn(id, 2*time.Hour, false), banOn(id, time.Hour, false)}, id: id, after: 90 * time.Minute},
		{name: "not replaced by a shorter automatic ban", bans: []Ban{banOn(id, 2*time.Hour, true), banOn(id, time.Hour, true)}, id: id, after: 90 * time.Minute, want: true},
		{name: "operator's ban, not replaced by an automatic one", bans: []Ban{banOn(id, time.Hour, false), banOn(id, 3*time.Hour, true)}, id: id, after: 90 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l list
			for _, b := range tt.bans {
				l.add(b, epoch)
			}
			var node enode.ID
			if tt.id != "" {
				node = enode.HexID(tt.id)
			}
			var addr netip.Addr
			if tt.addr != "" {
				addr = netip.MustParseAddr(tt.addr)
			}
			if _, got := l.banned(node, addr, epoch.Add(tt.after)); got != tt.want {
				t.Errorf("banned: %v, want %v", got, tt.want)
			}
			for _, b := range tt.bans {
				l.lift(b.Target)
			}
			if _, got := l.banned(node, addr, epoch.Add(tt.after)); got || len(l.lengths) != 0 || l.automatic != 0 {
				t.Errorf("after lifting all bans: banned %v, list %+v", got, l)
			}
		})
	}
}

func TestBansAreListed(t *testing.T) {
	var l list
	for _, b := range []Ban{banOn("203.0.113.1", 3*time.Hour, true), banOn("203.0.113.2", time.Hour, false), banOn("10.0.0.0/8", 2*time.Hour, false)} {
		l.add(b, epoch)
	}
	var got []string
	for _, b := range l.sorted(epoch.Add(time.Hour)) {
		got = append(got, b.Target.String())
	}
	if strings.Join(got, " ") != "10.0.0.0/8 203.0.113.1" {
		t.Errorf("bans after an hour: %v, want the two in force, ordered by their end", got)
	}
	l.prune(epoch.Add(150 * time.Minute))
	if len(l.bans) != 1 || l.automatic != 1 || len(l.lengths) != 1 {
		t.Errorf("after pruning: %+v, want the ban in force", l)
	}
}

func TestAutomaticBansAreBounded(t *testing.T) {
	var l list
	operators := banOn("198.51.100.1", time.Minute, false)
	l.add(operators, epoch)
	for i := range maxAutomaticBans + 10 {
		l.add(Ban{Target: ByID(enode.ID{byte(i >> 8), byte(i), 1}), Until: epoch.Add(time.Hour + time.Duration(i)), Automatic: true}, epoch)
	}
	if len(l.bans) != maxAutomaticBans+1 {
		t.Errorf("%d bans, want %d", len(l.bans), maxAutomaticBans+1)
	}
	if _, ok := l.bans[operators.Target]; !ok {
		t.Error("an automatic ban displaced the operator's")
	}
	if _, ok := l.bans[ByID(enode.ID{0, 9, 1})]; ok {
		t.Error("the displaced ban is not the one that ends first")
	}
}

func TestBanAsJSON(t *testing.T) {
	for _, b := range []Ban{banOn("203.0.113.0/24", time.Hour, true), banOn(strings.Repeat("ab", 32), time.Hour, false)} {
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back Ban
		if err := json.Unmarshal(text, &back); err != nil || back.Target != b.Target || !back.Until.Equal(b.Until) || back.Automatic != b.Automatic || back.Reason != b.Reason {
			t.Errorf("%s decodes to %+v (%v), want %+v", text, back, err, b)
		}
	}
}

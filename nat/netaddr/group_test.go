package netaddr_test

import (
	"net/netip"
	"testing"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

func TestGroup(t *testing.T) {
	for _, tt := range []struct{ ip, host, network string }{
		{"30.1.2.3", "30.1.2.3/32", "30.1.2.0/24"},
		{"::ffff:30.1.2.3", "30.1.2.3/32", "30.1.2.0/24"},
		{"2a00:1:2:3:4:5:6:7", "2a00:1:2:3::/64", "2a00:1:2::/48"},
		{"fe80::1%eth0", "fe80::/64", "fe80::/48"},
		{"::", "::/64", "::/48"},
	} {
		ip := netip.MustParseAddr(tt.ip)
		if got := netaddr.Host(ip); got != netip.MustParsePrefix(tt.host) {
			t.Errorf("host of %v is %v, want %s", ip, got, tt.host)
		}
		if got := netaddr.Network(ip); got != netip.MustParsePrefix(tt.network) {
			t.Errorf("network of %v is %v, want %s", ip, got, tt.network)
		}
	}
	if host, network := netaddr.Host(netip.Addr{}), netaddr.Network(netip.Addr{}); host != (netip.Prefix{}) || network != (netip.Prefix{}) {
		t.Errorf("the invalid address has host %v and network %v, want the zero Prefix", host, network)
	}
}

func TestAllowed(t *testing.T) {
	some := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fe80::/10")}
	for _, tt := range []struct {
		networks []netip.Prefix
		ip       string // empty: the invalid address
		want     bool
	}{
		{nil, "198.51.100.1", true},
		{nil, "", true},
		{[]netip.Prefix{}, "fe80::1%eth0", true},
		{some, "10.255.0.1", true},
		{some, "::ffff:10.255.0.1", true},
		{some, "11.0.0.1", false},
		{some, "2001:db8:1::1", true},
		{some, "2001:db9::1", false},
		{some, "127.0.0.1", false},
		{some, "fe80::1", true},
		{some, "fe80::1%eth0", false},
		{some, "", false},
		{[]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, "::1", false},
		{[]netip.Prefix{netip.MustParsePrefix("::/0")}, "::ffff:10.0.0.1", false},
		{[]netip.Prefix{{}}, "10.0.0.1", false},
		{[]netip.Prefix{{}}, "", false},
	} {
		var ip netip.Addr
		if tt.ip != "" {
			ip = netip.MustParseAddr(tt.ip)
		}
		if got := netaddr.Allowed(tt.networks, ip); got != tt.want {
			t.Errorf("%v in %v: %v, want %v", ip, tt.networks, got, tt.want)
		}
	}
}

package netaddr_test

import (
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/netutil"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		ip             string // empty: the invalid address
		why            string // why it is not public; empty: it is
		private, local bool
	}{
		{ip: "8.8.8.8"},
		{ip: "30.10.10.1"},
		{ip: "100.63.255.255"},
		{ip: "100.128.0.1"},
		{ip: "223.255.255.255"},
		{ip: "2a00::1"},
		{ip: "2a00::1%eth0"},
		{ip: "::ffff:8.8.8.8"},
		{ip: "2001:4::1"},
		{ip: "2001:db7:ffff::1"},
		{ip: "2001:db9::1"},

		{ip: "", why: "no address", private: true, local: true},
		{ip: "0.0.0.0", why: "no address"},
		{ip: "::", why: "no address"},
		{ip: "::ffff:0.0.0.0", why: "no address"},
		{ip: "127.0.0.1", why: "a loopback address", private: true, local: true},
		{ip: "127.255.0.9", why: "a loopback address", private: true, local: true},
		{ip: "::1", why: "a loopback address", private: true, local: true},
		{ip: "::ffff:127.0.0.1", why: "a loopback address", private: true, local: true},
		{ip: "10.1.2.3", why: "a private address", private: true},
		{ip: "172.16.0.1", why: "a private address", private: true},
		{ip: "172.32.0.1"},
		{ip: "192.168.1.1", why: "a private address", private: true},
		{ip: "::ffff:10.0.0.1", why: "a private address", private: true},
		{ip: "fd00::1", why: "a private address", private: true},
		{ip: "169.254.1.1", why: "a link-local address", private: true},
		{ip: "fe80::1", why: "a link-local address", private: true},
		{ip: "fe80::1%eth0", why: "a link-local address", private: true},
		{ip: "100.64.0.1", why: "an address of a carrier-grade NAT", private: true},
		{ip: "100.127.255.255", why: "an address of a carrier-grade NAT", private: true},
		{ip: "::ffff:100.64.0.1", why: "an address of a carrier-grade NAT", private: true},

		{ip: "224.0.0.1", why: "a multicast address"},
		{ip: "ff02::1", why: "a multicast address"},
		{ip: "ff0e::1", why: "a multicast address"},
		{ip: "255.255.255.255", why: "the broadcast address"},
		{ip: "240.0.0.1", why: "a reserved address"},
		{ip: "0.1.2.3", why: `an address of "this network"`},
		{ip: "192.0.0.2", why: "a protocol's own address"},
		{ip: "192.0.0.9", why: "a protocol's own address"},
		{ip: "192.0.2.1", why: "an address for documentation"},
		{ip: "198.51.100.7", why: "an address for documentation"},
		{ip: "203.0.113.5", why: "an address for documentation"},
		{ip: "198.18.0.1", why: "an address for benchmarks"},
		{ip: "198.19.255.255", why: "an address for benchmarks"},
		{ip: "192.31.196.1", why: "an address of the AS112 service"},
		{ip: "192.175.48.1", why: "an address of the AS112 service"},
		{ip: "192.52.193.1", why: "an address of the AMT service"},
		{ip: "192.88.99.1", why: "an address of the 6to4 relays"},
		{ip: "::8.8.8.8", why: "an IPv6 address that stands for an IPv4 one"},
		{ip: "::10.0.0.1", why: "an IPv6 address that stands for an IPv4 one"},
		{ip: "64:ff9b::a00:1", why: "a NAT64 address"},
		{ip: "64:ff9b::a00:1%eth0", why: "a NAT64 address"},
		{ip: "64:ff9b:1::1", why: "a NAT64 address"},
		{ip: "64:ff9b:2::1"},
		{ip: "100::1", why: "a discard-only address"},
		{ip: "2001::1", why: "a Teredo address"},
		{ip: "2001:1::1", why: "a protocol's own address"},
		{ip: "2001:2::1", why: "an address for benchmarks"},
		{ip: "2001:3::1", why: "an address of the AMT service"},
		{ip: "2001:4:112::1", why: "an address of the AS112 service"},
		{ip: "2001:5::1", why: "an identifier of a LISP endpoint"},
		{ip: "2001:10::1", why: "a cryptographic identifier (ORCHID)"},
		{ip: "2001:20::1", why: "a cryptographic identifier (ORCHID)"},
		{ip: "2001:db8::1", why: "an address for documentation"},
		{ip: "2002::1", why: "a 6to4 address"},
	} {
		var ip netip.Addr
		if tt.ip != "" {
			ip = netip.MustParseAddr(tt.ip)
		}
		if got := netaddr.WhyNotPublic(ip); got != tt.why || netaddr.Public(ip) != (tt.why == "") {
			t.Errorf("%v: not public because it is %q (public: %v), want %q", ip, got, netaddr.Public(ip), tt.why)
		}
		if got := netaddr.Private(ip); got != tt.private {
			t.Errorf("%v: private is %v, want %v", ip, got, tt.private)
		}
		if got := netaddr.Local(ip); got != tt.local {
			t.Errorf("%v: local is %v, want %v", ip, got, tt.local)
		}
	}
}

// FuzzAddress checks the rules against each other and against go-ethereum's, by which other nodes
// decide: an address that they refuse to relay is not public here either.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"8.8.8.8", "10.0.0.1", "192.31.196.9", "::1", "2001:5::7", "::ffff:192.0.0.170", "100::", "ff02::1"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		public := netaddr.Public(ip)
		if public && (netutil.AddrIsLAN(ip) || netutil.AddrIsSpecialNetwork(ip)) {
			t.Errorf("%v is public, but not for go-ethereum", ip)
		}
		if public && netaddr.Private(ip) {
			t.Errorf("%v is both public and private", ip)
		}
		if netutil.AddrIsLAN(ip) && !netaddr.Private(ip) {
			t.Errorf("%v is a LAN address for go-ethereum, but not private", ip)
		}
		if netaddr.Local(ip) && !netaddr.Private(ip) {
			t.Errorf("%v is local, but not private", ip)
		}
		if public != netaddr.Public(ip.Unmap()) || netaddr.Private(ip) != netaddr.Private(ip.Unmap()) || netaddr.Host(ip) != netaddr.Host(ip.Unmap()) {
			t.Errorf("%v and %v differ", ip, ip.Unmap())
		}
		if !netaddr.Host(ip).Contains(ip.Unmap()) || !netaddr.Network(ip).Contains(ip.Unmap()) {
			t.Errorf("%v is not in its host %v or its network %v", ip, netaddr.Host(ip), netaddr.Network(ip))
		}
	})
}

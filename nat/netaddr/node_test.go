package netaddr_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

func TestEndpoints(t *testing.T) {
	ip4 := func(s string) enr.Entry { return enr.IPv4Addr(netip.MustParseAddr(s)) }
	ip6 := func(s string) enr.Entry { return enr.IPv6Addr(netip.MustParseAddr(s)) }
	for _, tt := range []struct {
		name    string
		entries []enr.Entry
		want    []string
	}{
		{"empty record", nil, nil},
		{"no port", []enr.Entry{ip4("30.1.2.3")}, nil},
		{"no address", []enr.Entry{enr.TCP(7)}, nil},
		{"UDP only", []enr.Entry{ip4("30.1.2.3"), enr.UDP(7)}, nil},
		{"IPv4", []enr.Entry{ip4("30.1.2.3"), enr.TCP(7)}, []string{"30.1.2.3:7"}},
		{"IPv6", []enr.Entry{ip6("2a00::1"), enr.TCP6(8)}, []string{"[2a00::1]:8"}},
		{"IPv4, also in the form of IPv6", []enr.Entry{ip4("30.1.2.3"), ip6("::ffff:30.1.2.3"), enr.TCP(7)}, []string{"30.1.2.3:7"}},
		{"IPv4 in the form of IPv6", []enr.Entry{ip6("::ffff:30.1.2.3"), enr.TCP(7)}, []string{"30.1.2.3:7"}},
		{"IPv6 with the port of IPv4", []enr.Entry{ip6("2a00::1"), enr.TCP(7)}, []string{"[2a00::1]:7"}},
		{"both", []enr.Entry{ip4("30.1.2.3"), enr.TCP(7), ip6("2a00::1"), enr.TCP6(8)}, []string{"30.1.2.3:7", "[2a00::1]:8"}},
		{"both with one port", []enr.Entry{ip4("30.1.2.3"), enr.TCP(7), ip6("2a00::1")}, []string{"30.1.2.3:7", "[2a00::1]:7"}},
		{"private IPv4, public IPv6", []enr.Entry{ip4("10.1.2.3"), enr.TCP(7), ip6("2a00::1"), enr.TCP6(8)}, []string{"[2a00::1]:8", "10.1.2.3:7"}},
		{"port of IPv6 only", []enr.Entry{ip4("30.1.2.3"), ip6("2a00::1"), enr.TCP6(8)}, []string{"[2a00::1]:8"}},
		{"unspecified IPv4", []enr.Entry{ip4("0.0.0.0"), enr.TCP(7), ip6("2a00::1"), enr.TCP6(8)}, []string{"[2a00::1]:8"}},
		{"multicast IPv6", []enr.Entry{ip4("30.1.2.3"), enr.TCP(7), ip6("ff02::1"), enr.TCP6(8)}, []string{"30.1.2.3:7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := crypto.GenerateKey()
			if err != nil {
				t.Fatal(err)
			}
			var r enr.Record
			for _, e := range tt.entries {
				r.Set(e)
			}
			if err := enode.SignV4(&r, key); err != nil {
				t.Fatal(err)
			}
			n, err := enode.New(enode.ValidSchemes, &r)
			if err != nil {
				t.Fatal(err)
			}
			var want []netip.AddrPort
			var addrs []netip.Addr
			for _, s := range tt.want {
				at := netip.MustParseAddrPort(s)
				want, addrs = append(want, at), append(addrs, at.Addr())
			}
			if got := netaddr.Endpoints(n); !slices.Equal(got, want) {
				t.Errorf("endpoints %v, want %v", got, want)
			}
			if got := netaddr.Addrs(n); !slices.Equal(got, addrs) {
				t.Errorf("addresses %v, want %v", got, addrs)
			}
		})
	}
}

package netaddr_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// memory is an address of a connection in memory that has an IP address; named is one that has none.
type (
	memory struct{ at netip.AddrPort }
	named  struct{}
)

func (memory) Network() string            { return "memory" }
func (m memory) String() string           { return m.at.String() }
func (m memory) AddrPort() netip.AddrPort { return m.at }
func (named) Network() string             { return "memory" }
func (named) String() string              { return "pipe" }

func TestOf(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:30.1.2.3]:7")
	for _, tt := range []struct {
		name string
		in   net.Addr
		want string // empty: the zero value
	}{
		{"TCP", &net.TCPAddr{IP: net.IPv4(30, 1, 2, 3), Port: 7}, "30.1.2.3:7"},
		{"UDP", &net.UDPAddr{IP: net.ParseIP("2a00::1"), Port: 7}, "[2a00::1]:7"},
		{"a zone", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "eth0"}, "[fe80::1%eth0]:7"},
		{"IPv4 on a dual-stack socket", net.TCPAddrFromAddrPort(mapped), "30.1.2.3:7"},
		{"a type with AddrPort", memory{mapped}, "30.1.2.3:7"},
		{"no IP", named{}, ""},
		{"another kind", &net.UnixAddr{Name: "x", Net: "unix"}, ""},
		{"nil of a type", (*net.TCPAddr)(nil), ""},
		{"nil", nil, ""},
	} {
		var want netip.AddrPort
		if tt.want != "" {
			want = netip.MustParseAddrPort(tt.want)
		}
		if got := netaddr.Of(tt.in); got != want {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
}

func TestUnmap(t *testing.T) {
	for in, want := range map[string]string{"[::ffff:1.2.3.4]:5": "1.2.3.4:5", "1.2.3.4:5": "1.2.3.4:5", "[2a00::1]:5": "[2a00::1]:5"} {
		if got := netaddr.Unmap(netip.MustParseAddrPort(in)); got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
	if got := netaddr.Unmap(netip.AddrPort{}); got != (netip.AddrPort{}) {
		t.Errorf("the zero value became %v", got)
	}
}

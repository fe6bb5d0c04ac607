package nat

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

const routeTable = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0114A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	010AA8C0	0003	0	0	100	00000000	0	0	0
eth0	000AA8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
tun0	00000000	00000000	0001	0	0	50	00000000	0	0	0
eth1	00000000	0101A8C0	0002	0	0	1	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
`

func TestParseRoutes(t *testing.T) {
	got := parseRoutes(routeTable)
	if len(got) != 2 || got[0].device != "eth0" || got[1].device != "wlan0" {
		t.Fatalf("%v", got)
	}
	// The table above is from a little-endian machine; the tests run on little-endian machines.
	if got[0].gateway != netip.MustParseAddr("192.168.10.1") {
		t.Errorf("gateway %v", got[0].gateway)
	}
	for _, broken := range []string{"", "\n\n", "eth0 0", "eth0 zz 0 0 0 0 0 0 0", strings.Repeat("x\t", 1000)} {
		if got := parseRoutes(broken); len(got) != 0 {
			t.Errorf("%q: %v", broken, got)
		}
	}
}

func TestNetworksOf(t *testing.T) {
	cidr := func(s string) net.Addr {
		ip, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: n.Mask}
	}
	gw := netip.MustParseAddr("192.168.10.1")
	got := networksOf(net.Interface{Name: "eth0"}, []net.Addr{cidr("fe80::1/64"), cidr("10.0.0.5/8"), cidr("192.168.10.11/24")}, []route{{device: "eth0", gateway: gw}, {device: "eth1", gateway: gw}})
	if len(got) != 2 || got[0].gateway.IsValid() || got[1].gateway != gw || got[1].local.Addr() != netip.MustParseAddr("192.168.10.11") {
		t.Errorf("%+v", got)
	}
	a := surroundingsOf(got)
	got[0].local = netip.MustParsePrefix("10.9.9.9/8")
	if a == "" || surroundingsOf(got) != a {
		t.Error("a network without a gateway changes the surroundings")
	}
	got[1].local = netip.MustParsePrefix("192.168.10.12/24")
	if surroundingsOf(got) == a {
		t.Error("another local address does not change the surroundings")
	}
}

func TestNetworks(t *testing.T) {
	all, err := networks()
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range all {
		if !n.local.Addr().Is4() || n.local.Addr().IsLoopback() || n.index == 0 {
			t.Errorf("%+v", n)
		}
		if i > 0 && n.gateway.IsValid() && !all[i-1].gateway.IsValid() {
			t.Error("a network with a gateway follows one without")
		}
	}
}

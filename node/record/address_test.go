package record

import (
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/datadir"
)

func addrPort(s string) netip.AddrPort {
	if s == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(s)
}

// everywhere is the endpoint of a node that listens on all addresses, without other sources.
var everywhere = endpoint{ip4: netip.MustParseAddr("127.0.0.1"), tcp4: 30303, udp: 30303}

// TestAddressPrecedence: the operator's or the router's address comes before the one listening
// address, then the address that a neighbour observes, then loopback.
func TestAddressPrecedence(t *testing.T) {
	addr := netip.MustParseAddr
	alone := endpoint{ip4: addr("1.1.1.1"), tcp4: 30303, udp: 30303, sure4: certain}
	home := endpoint{ip4: addr("192.168.1.5"), tcp4: 30303, udp: 30303, sure4: certain}
	six := endpoint{ip6: addr("2a00::1"), tcp6: 30303, udp: 30303, sure6: certain}
	both := everywhere
	both.ip6, both.tcp6, both.sure6 = six.ip6, six.tcp6, certain
	mapped := nat.ExternalAddress{IP: addr("2.2.2.2"), TCPPort: 2000, UDPPort: 2001}
	for _, tt := range []struct {
		name     string
		listens  endpoint
		outside  nat.ExternalAddress
		udp, tcp string
		want     endpoint
		open     bool
	}{
		{name: "no source", listens: everywhere, want: everywhere},
		{name: "a neighbour", listens: everywhere, udp: "3.3.3.3:3001",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 30303, udp: 3001, sure4: observed}},
		{name: "a neighbour, UDP and TCP", listens: everywhere, udp: "3.3.3.3:3001", tcp: "3.3.3.3:3000",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 3000, udp: 3001, sure4: observed}},
		{name: "a neighbour, TCP at another address", listens: everywhere, udp: "3.3.3.3:3001", tcp: "3.3.3.4:3000",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 30303, udp: 3001, sure4: observed}},
		{name: "a neighbour, TCP alone", listens: everywhere, tcp: "3.3.3.3:3000", want: everywhere},
		{name: "a neighbour, IPv4-mapped IPv6", listens: everywhere, udp: "[::ffff:3.3.3.3]:3001", tcp: "[::ffff:3.3.3.3]:3000",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 3000, udp: 3001, sure4: observed}},
		{name: "a neighbour, IPv6", listens: everywhere, udp: "[2a00::3]:30303",
			want: endpoint{ip4: everywhere.ip4, tcp4: 30303, ip6: addr("2a00::3"), tcp6: 30303, udp: 30303, sure6: observed}},
		{name: "one address", listens: alone, udp: "3.3.3.3:3001", want: alone, open: true},
		{name: "one private address", listens: home, udp: "3.3.3.3:3001", want: home},
		{name: "one address, IPv6", listens: six, want: six, open: true},
		{name: "one address, IPv6, and a neighbour for IPv4", listens: six, udp: "3.3.3.3:30303", want: six, open: true},
		{name: "a router", listens: everywhere, outside: mapped, udp: "3.3.3.3:3001", tcp: "3.3.3.3:3000",
			want: endpoint{ip4: mapped.IP, tcp4: 2000, udp: 2001, sure4: certain}, open: true},
		{name: "a router, TCP alone", listens: everywhere, outside: nat.ExternalAddress{IP: mapped.IP, TCPPort: 2000}, udp: "3.3.3.3:3001",
			want: endpoint{ip4: mapped.IP, tcp4: 2000, sure4: certain}},
		{name: "a router, UDP alone", listens: everywhere, outside: nat.ExternalAddress{IP: mapped.IP, UDPPort: 2001},
			want: endpoint{ip4: mapped.IP, udp: 2001, sure4: certain}},
		{name: "the operator, private address", listens: everywhere, outside: nat.ExternalAddress{IP: home.ip4, TCPPort: 1, UDPPort: 2},
			want: endpoint{ip4: home.ip4, tcp4: 1, udp: 2, sure4: certain}, open: true},
		{name: "the operator, a name with both families", listens: everywhere, outside: nat.ExternalAddress{IP: addr("2.2.2.2"), Other: addr("2a00::2"), TCPPort: 1, UDPPort: 2}, udp: "3.3.3.3:3001",
			want: endpoint{ip4: addr("2.2.2.2"), tcp4: 1, ip6: addr("2a00::2"), tcp6: 1, udp: 2, sure4: certain, sure6: certain}, open: true},
		{name: "the operator, a name with private addresses", listens: everywhere, outside: nat.ExternalAddress{IP: addr("10.0.0.2"), Other: addr("fd00::2"), TCPPort: 1, UDPPort: 2},
			want: endpoint{ip4: addr("10.0.0.2"), tcp4: 1, ip6: addr("fd00::2"), tcp6: 1, udp: 2, sure4: certain, sure6: certain}, open: true},
		{name: "without discovery", listens: endpoint{ip4: everywhere.ip4, tcp4: 30303}, udp: "3.3.3.3:3001",
			want: endpoint{ip4: everywhere.ip4, tcp4: 30303}},
		{name: "certain IPv6 address, same port", listens: both, udp: "3.3.3.3:30303",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 30303, ip6: six.ip6, tcp6: 30303, udp: 30303, sure4: observed, sure6: certain}, open: true},
		{name: "certain IPv6 address, other port", listens: both, udp: "3.3.3.3:3001", want: both, open: true},
		{name: "a router for IPv4, a neighbour for IPv6 at another port", listens: everywhere, outside: mapped, udp: "[2a00::3]:30303",
			want: endpoint{ip4: mapped.IP, tcp4: 2000, udp: 2001, sure4: certain}, open: true},
	} {
		got := tt.listens.from(tt.outside).seen(addrPort(tt.udp), addrPort(tt.tcp))
		if got != tt.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
		if got.open(tt.outside) != tt.open {
			t.Errorf("%s: open is %v", tt.name, !tt.open)
		}
	}
}

// TestLocalNodeRecord: the record of a LocalNode after changes of the endpoint, with or without
// ten peers that all observe the node at 4.4.4.4:4001.
func TestLocalNodeRecord(t *testing.T) {
	at := everywhere.seen
	mapped := everywhere.from(nat.ExternalAddress{IP: netip.MustParseAddr("2.2.2.2"), TCPPort: 2000, UDPPort: 2001})
	type step struct {
		announce endpoint
		peers    bool
		udp, tcp string // of the record; empty: none
		same     bool   // the record of the step before
	}
	guess := step{announce: everywhere, udp: "127.0.0.1:30303", tcp: "127.0.0.1:30303"}
	neighbour := step{announce: at(addrPort("3.3.3.3:3001"), addrPort("3.3.3.3:3000")), udp: "3.3.3.3:3001", tcp: "3.3.3.3:3000"}
	router := step{announce: mapped, udp: "2.2.2.2:2001", tcp: "2.2.2.2:2000"}
	again := func(s step) step { s.same = true; return s }
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a neighbour's observation begins and ends", []step{guess, again(guess), neighbour, again(neighbour), guess}},
		{"a neighbour's observation of TCP follows later", []step{
			{announce: at(addrPort("3.3.3.3:3001"), netip.AddrPort{}), udp: "3.3.3.3:3001", tcp: "3.3.3.3:30303"}, neighbour,
		}},
		{"a neighbour's observation of IPv6", []step{
			guess, {announce: at(addrPort("[2a00::3]:30303"), netip.AddrPort{}), udp: "[2a00::3]:30303", tcp: "[2a00::3]:30303"}, guess,
		}},
		{"ten peers override a neighbour", []step{
			neighbour, {announce: neighbour.announce, peers: true, udp: "4.4.4.4:4001", tcp: "4.4.4.4:3000"},
			{announce: everywhere, udp: "4.4.4.4:4001", tcp: "4.4.4.4:30303"},
		}},
		{"a router overrides neighbour and peers", []step{neighbour, router, {announce: mapped, peers: true, udp: router.udp, tcp: router.tcp, same: true}}},
		{"a router is lost", []step{router, {announce: everywhere}, neighbour, again(neighbour), {announce: everywhere}, router}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, err := enode.OpenDB("")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			key, err := datadir.FreshKey()
			if err != nil {
				t.Fatal(err)
			}
			local := enode.NewLocalNode(db, key)
			var done announced
			for i, s := range tt.steps {
				before := local.Node()
				if s.peers {
					for p := range byte(10) {
						local.UDPEndpointStatement(netip.AddrPortFrom(netip.AddrFrom4([4]byte{5, 5, 5, p}), 1), addrPort("4.4.4.4:4001"))
					}
				}
				done.announce(local, s.announce, nil)
				now := local.Node()
				if s.same != (now == before) {
					t.Errorf("step %d: sequence number %d after %d, same record wanted: %v", i, now.Seq(), before.Seq(), s.same)
				}
				udp, _ := now.UDPEndpoint()
				tcp, _ := now.TCPEndpoint()
				if now.Load(new(enr.IPv4)) != nil && now.Load(new(enr.IPv6)) != nil {
					udp, tcp = netip.AddrPort{}, netip.AddrPort{}
				}
				if udp != addrPort(s.udp) || tcp != addrPort(s.tcp) {
					t.Errorf("step %d: the record has UDP %v, TCP %v; want %s, %s", i, udp, tcp, s.udp, s.tcp)
				}
			}
		})
	}
}

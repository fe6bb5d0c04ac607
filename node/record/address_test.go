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

// everywhere is what a node knows of itself that listens on all addresses.
var everywhere = endpoint{ip4: netip.MustParseAddr("127.0.0.1"), tcp4: 30303, udp: 30303}

// TestWhoseWordCounts: the operator's and the router's before the one listening address, that
// before what a neighbour sees, that before loopback.
func TestWhoseWordCounts(t *testing.T) {
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
		{name: "nobody says anything", listens: everywhere, want: everywhere},
		{name: "a neighbour", listens: everywhere, udp: "3.3.3.3:3001",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 30303, udp: 3001, sure4: observed}},
		{name: "a neighbour, of TCP too", listens: everywhere, udp: "3.3.3.3:3001", tcp: "3.3.3.3:3000",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 3000, udp: 3001, sure4: observed}},
		{name: "a neighbour, of TCP at another address", listens: everywhere, udp: "3.3.3.3:3001", tcp: "3.3.3.4:3000",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 30303, udp: 3001, sure4: observed}},
		{name: "a neighbour, of TCP alone", listens: everywhere, tcp: "3.3.3.3:3000", want: everywhere},
		{name: "a neighbour, as IPv6 wraps IPv4", listens: everywhere, udp: "[::ffff:3.3.3.3]:3001", tcp: "[::ffff:3.3.3.3]:3000",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 3000, udp: 3001, sure4: observed}},
		{name: "a neighbour, by IPv6", listens: everywhere, udp: "[2a00::3]:30303",
			want: endpoint{ip4: everywhere.ip4, tcp4: 30303, ip6: addr("2a00::3"), tcp6: 30303, udp: 30303, sure6: observed}},
		{name: "one address", listens: alone, udp: "3.3.3.3:3001", want: alone, open: true},
		{name: "one address at home", listens: home, udp: "3.3.3.3:3001", want: home},
		{name: "one address, IPv6", listens: six, want: six, open: true},
		{name: "no IPv4", listens: six, udp: "3.3.3.3:30303", want: six, open: true},
		{name: "a router", listens: everywhere, outside: mapped, udp: "3.3.3.3:3001", tcp: "3.3.3.3:3000",
			want: endpoint{ip4: mapped.IP, tcp4: 2000, udp: 2001, sure4: certain}, open: true},
		{name: "a router, for TCP alone", listens: everywhere, outside: nat.ExternalAddress{IP: mapped.IP, TCPPort: 2000}, udp: "3.3.3.3:3001",
			want: endpoint{ip4: mapped.IP, tcp4: 2000, sure4: certain}},
		{name: "a router, for UDP alone", listens: everywhere, outside: nat.ExternalAddress{IP: mapped.IP, UDPPort: 2001},
			want: endpoint{ip4: mapped.IP, udp: 2001, sure4: certain}},
		{name: "the operator, at home", listens: everywhere, outside: nat.ExternalAddress{IP: home.ip4, TCPPort: 1, UDPPort: 2},
			want: endpoint{ip4: home.ip4, tcp4: 1, udp: 2, sure4: certain}, open: true},
		{name: "without discovery", listens: endpoint{ip4: everywhere.ip4, tcp4: 30303}, udp: "3.3.3.3:3001",
			want: endpoint{ip4: everywhere.ip4, tcp4: 30303}},
		{name: "IPv6 is certain, and the port is the same", listens: both, udp: "3.3.3.3:30303",
			want: endpoint{ip4: addr("3.3.3.3"), tcp4: 30303, ip6: six.ip6, tcp6: 30303, udp: 30303, sure4: observed, sure6: certain}, open: true},
		{name: "IPv6 is certain, and its port another", listens: both, udp: "3.3.3.3:3001", want: both, open: true},
		{name: "a router for IPv4, and IPv6 by another port", listens: everywhere, outside: mapped, udp: "[2a00::3]:30303",
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

// TestRecordThatLearns tells a record one thing after the other, with or without ten
// peers who all see the node at 4.4.4.4:4001.
func TestRecordThatLearns(t *testing.T) {
	at := everywhere.seen
	mapped := everywhere.from(nat.ExternalAddress{IP: netip.MustParseAddr("2.2.2.2"), TCPPort: 2000, UDPPort: 2001})
	type step struct {
		tell     endpoint
		peers    bool
		udp, tcp string // of the record; empty: none
		same     bool   // as after the step before
	}
	guess := step{tell: everywhere, udp: "127.0.0.1:30303", tcp: "127.0.0.1:30303"}
	neighbour := step{tell: at(addrPort("3.3.3.3:3001"), addrPort("3.3.3.3:3000")), udp: "3.3.3.3:3001", tcp: "3.3.3.3:3000"}
	router := step{tell: mapped, udp: "2.2.2.2:2001", tcp: "2.2.2.2:2000"}
	again := func(s step) step { s.same = true; return s }
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a neighbour's word comes and goes", []step{guess, again(guess), neighbour, again(neighbour), guess}},
		{"the external TCP port comes later", []step{
			{tell: at(addrPort("3.3.3.3:3001"), netip.AddrPort{}), udp: "3.3.3.3:3001", tcp: "3.3.3.3:30303"}, neighbour,
		}},
		{"a neighbour's word comes by IPv6", []step{
			guess, {tell: at(addrPort("[2a00::3]:30303"), netip.AddrPort{}), udp: "[2a00::3]:30303", tcp: "[2a00::3]:30303"}, guess,
		}},
		{"ten peers know better", []step{
			neighbour, {tell: neighbour.tell, peers: true, udp: "4.4.4.4:4001", tcp: "4.4.4.4:3000"},
			{tell: everywhere, udp: "4.4.4.4:4001", tcp: "4.4.4.4:30303"},
		}},
		{"a router knows best", []step{neighbour, router, {tell: mapped, peers: true, udp: router.udp, tcp: router.tcp, same: true}}},
		{"a router is lost", []step{router, {tell: everywhere}, neighbour, again(neighbour), {tell: everywhere}, router}},
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
			var told told
			for i, s := range tt.steps {
				before := local.Node()
				if s.peers {
					for p := range byte(10) {
						local.UDPEndpointStatement(netip.AddrPortFrom(netip.AddrFrom4([4]byte{5, 5, 5, p}), 1), addrPort("4.4.4.4:4001"))
					}
				}
				told.tell(local, s.tell, nil)
				now := local.Node()
				if s.same != (now == before) {
					t.Errorf("step %d: the record is number %d, and was %d", i, now.Seq(), before.Seq())
				}
				udp, _ := now.UDPEndpoint()
				tcp, _ := now.TCPEndpoint()
				if now.Load(new(enr.IPv4)) != nil && now.Load(new(enr.IPv6)) != nil {
					udp, tcp = netip.AddrPort{}, netip.AddrPort{}
				}
				if udp != addrPort(s.udp) || tcp != addrPort(s.tcp) {
					t.Errorf("step %d: the record says UDP %v, TCP %v; want %s, %s", i, udp, tcp, s.udp, s.tcp)
				}
			}
		})
	}
}

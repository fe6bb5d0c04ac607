package node_test

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// addrs parses addresses.
func addrs(list ...string) []netip.AddrPort {
	var aps []netip.AddrPort
	for _, s := range list {
		aps = append(aps, netip.MustParseAddrPort(s))
	}
	return aps
}

// TestOneNumberForAllAddresses: all addresses have the same port, whose number is free for UDP.
func TestOneNumberForAllAddresses(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.Listen = addrs("127.0.0.1:0", "127.0.0.2:0", "[::1]:0") })
	var tcp6 uint16
	port := n.Self().TCP()
	if port == 0 {
		t.Fatalf("%v has no port", n.Self())
	}
	if err := n.Self().Load((*enr.TCP6)(&tcp6)); err == nil {
		t.Errorf("the record has a separate port %d for IPv6", tcp6)
	}
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(ip), Port: port})
		if err != nil {
			t.Errorf("%s: %v", ip, err)
			continue
		}
		conn.Close()
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatalf("the port is not free for UDP: %v", err)
	}
	udp.Close()
}

func TestAllAddressesOfBothFamilies(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.Listen = []netip.AddrPort{{}} })
	if want := "@127.0.0.1:"; !strings.Contains(n.LocalURL(), want) || strings.Contains(n.LocalURL(), "discport") {
		t.Errorf("URL %s, want one with %s and without discport", n.LocalURL(), want)
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(ip), Port: n.Self().TCP()})
		if err != nil {
			t.Errorf("%s: %v", ip, err)
			continue
		}
		conn.Close()
	}
}

// TestTakenPort: two nodes can't listen at the same port, in spite of SO_REUSEPORT.
func TestTakenPort(t *testing.T) {
	first := startNode(t, nil)
	at, _ := first.Self().TCPEndpoint()
	second, err := node.New(node.Config{
		Key: fixture.Key(t), Listen: []netip.AddrPort{at}, Specs: []protocols.Spec{greetSpec("greet")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(context.Background()); err == nil || !strings.Contains(err.Error(), at.String()) {
		t.Errorf("start: %v, want an error that names %v", err, at)
	}
	nodetest.Stop(t, second)
	nodetest.Stop(t, first)
	startNode(t, func(c *node.Config) { c.Listen = []netip.AddrPort{at} }) // the port is free again at once
}

func TestExternalIP(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.NAT = "extip:203.0.113.77" })
	if got, _ := n.Self().TCPEndpoint(); got.Addr().String() != "203.0.113.77" || got.Port() == 0 {
		t.Errorf("the record has %v", got)
	}
	if !strings.Contains(n.LocalURL(), "@127.0.0.1:") {
		t.Errorf("the local URL is %s", n.LocalURL())
	}
}

func TestRecordIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var records []*enode.Node
	var port uint16
	for range 2 {
		n := startNode(t, func(c *node.Config) {
			c.Key, c.DataDir = nil, dir
			c.Listen = []netip.AddrPort{netip.AddrPortFrom(nodetest.Loopback.Addr(), port)}
		})
		port = uint16(n.Self().TCP())
		kept, err := node.ReadRecord(dir)
		if err != nil || kept.String() != n.Self().String() {
			t.Errorf("kept record %v (%v), want %v", kept, err, n.Self())
		}
		records = append(records, n.Self())
		nodetest.Stop(t, n)
	}
	if records[0].String() != records[1].String() {
		t.Errorf("the record changed without a reason:\n%v\n%v", records[0], records[1])
	}
}

// TestDataDirIsMade: the data directory is made even if the key is elsewhere.
func TestDataDirIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	n := startNode(t, func(c *node.Config) { c.DataDir = dir })
	if kept, err := node.ReadRecord(dir); err != nil || kept.String() != n.Self().String() {
		t.Errorf("kept record %v, %v", kept, err)
	}
}

func TestNodeThatOnlyDials(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.Listen = nil })
	if n.LocalURL() != "" || n.Self().TCP() != 0 {
		t.Errorf("URL %q, record %v: want no endpoint", n.LocalURL(), n.Self())
	}
}

// TestNumberTakenByUDP: a port that is taken for UDP is replaced by another one.
func TestNumberTakenByUDP(t *testing.T) {
	first, taken := halfFreeNumber(t)
	draws := 0
	n := startNode(t, func(c *node.Config) {
		c.ListenFunc = func(_ context.Context, on netip.AddrPort) (net.Listener, error) {
			if draws++; draws == 1 {
				return first, nil
			}
			return net.Listen("tcp", on.String())
		}
	})
	if draws != 2 || n.Self().TCP() == taken {
		t.Errorf("%d draws, port %d; want 2 draws and another port than %d", draws, n.Self().TCP(), taken)
	}
}

// halfFreeNumber returns a listener on a port whose number is taken for UDP.
func halfFreeNumber(t *testing.T) (net.Listener, int) {
	t.Helper()
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := ln.Addr().(*net.TCPAddr)
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port})
		if err != nil { // another process has it
			ln.Close()
			continue
		}
		t.Cleanup(func() { udp.Close() })
		return ln, at.Port
	}
}

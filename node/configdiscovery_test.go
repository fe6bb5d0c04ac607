package node_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// TestNodesFindEachOther: two nodes that know only a third one become peers of each other, by
// either version of discovery, over IPv4, IPv6 and both.
func TestNodesFindEachOther(t *testing.T) {
	v6 := netip.MustParseAddrPort("[::1]:0")
	for _, tt := range []struct {
		name string
		with node.Discovery
		on   []netip.AddrPort
	}{
		{"v4", node.Discovery{V4: true}, []netip.AddrPort{nodetest.Loopback}},
		{"v5", node.Discovery{V5: true}, []netip.AddrPort{nodetest.Loopback}},
		{"v4 over IPv6", node.Discovery{V4: true}, []netip.AddrPort{v6}},
		{"v5 over IPv6", node.Discovery{V5: true}, []netip.AddrPort{v6}},
		{"both, over both", node.Discovery{V4: true, V5: true}, []netip.AddrPort{nodetest.Loopback, v6}},
		{"both, on all addresses", node.Discovery{V4: true, V5: true}, []netip.AddrPort{{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := startNode(t, func(c *node.Config) {
				d := tt.with
				c.Discovery, c.Listen, c.OwnAddrs = &d, tt.on, noAddrs
			})
			all := []*node.Node{first}
			for range 2 {
				all = append(all, startNode(t, func(c *node.Config) {
					d := tt.with
					d.Bootnodes, d.BootnodesV5 = []*enode.Node{first.Self()}, []*enode.Node{first.Self()}
					c.Discovery, c.Listen, c.OwnAddrs = &d, tt.on, noAddrs
				}))
			}
			for _, n := range all {
				actortest.Eventually(t, "each node has two peers", func() bool { return n.PeerCount() == 2 })
			}
			if udp, ok := first.Self().UDPEndpoint(); !ok || int(udp.Port()) != first.Self().TCP() {
				t.Errorf("the record must have the TCP port as its UDP port: %v", first.Self())
			}
		})
	}
}

// noAddrs is an OwnAddrs function that keeps nodes on loopback, whatever addresses the machine has.
func noAddrs() ([]netip.Addr, error) { return nil, nil }

// TestStaticNodeThatMoved: a static node has another endpoint than its URL, and discovery finds it.
// Both nodes know only a third one, which may not name it before it has answered a ping: the first
// searches may find nothing.
func TestStaticNodeThatMoved(t *testing.T) {
	with := func(boot []*enode.Node, edit func(*node.Config)) *node.Node {
		return startNode(t, func(c *node.Config) {
			c.MaxPeers = -1 // so that no candidate becomes a peer
			c.Discovery = &node.Discovery{V4: true, Bootnodes: boot}
			if edit != nil {
				edit(c)
			}
		})
	}
	third := with(nil, nil)
	boot := []*enode.Node{third.Self()}
	key := fixture.Key(t)
	seeker := fixture.Key(t)
	moved := with(boot, func(c *node.Config) {
		c.Key = key
		c.TrustedNodes = []*enode.Node{enode.NewV4(&seeker.PublicKey, nil, 0, 0)}
	})
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := gone.Addr().(*net.TCPAddr).Port
	gone.Close()
	n := with(boot, func(c *node.Config) {
		c.Key, c.MaxPeers = seeker, 1
		c.Specs[0].Wants = func(*enr.Record) bool { return false }
		c.StaticNodes = []*enode.Node{enode.NewV4(&key.PublicKey, []byte{127, 0, 0, 1}, port, port)}
	})
	actortest.Eventually(t, "the static node is found", func() bool { return n.PeerCount() == 1 })
	if at, _ := moved.Self().TCPEndpoint(); n.Peers()[0].RemoteAddr != at {
		t.Errorf("linked at %v, want %v", n.Peers()[0].RemoteAddr, at)
	}
}

type flavour string

func (flavour) ENRKey() string { return "flavour" }

func TestAttributesAndWants(t *testing.T) {
	with := func(mine flavour, wants string, edit func(*node.Config)) *node.Node {
		return startNode(t, func(c *node.Config) {
			c.Discovery = &node.Discovery{V5: true}
			c.Specs[0].Attributes = func() []enr.Entry { return []enr.Entry{mine} }
			c.Specs[0].Wants = func(r *enr.Record) bool {
				var its flavour
				return r.Load(&its) == nil && string(its) == wants
			}
			if edit != nil {
				edit(c)
			}
		})
	}
	sweet := with("sweet", "sweet", nil)
	var its flavour
	if err := sweet.Self().Load(&its); err != nil || its != "sweet" {
		t.Fatalf("the record has flavour %q, %v", its, err)
	}
	boot := func(c *node.Config) { c.Discovery.BootnodesV5 = []*enode.Node{sweet.Self()} }
	salty := with("salty", "salty", boot)
	alike := with("sweet", "sweet", boot)
	actortest.Eventually(t, "the nodes that want each other have a link", func() bool { return alike.PeerCount() == 1 && sweet.PeerCount() == 1 })
	if salty.PeerCount() != 0 {
		t.Error("a node has a link to one that its protocols don't want")
	}
}

func TestWrongDiscovery(t *testing.T) {
	for _, d := range []node.Discovery{
		{V4: true, Bootnodes: []*enode.Node{nil}},
		{V5: true, BootnodesV5: []*enode.Node{enode.NewV4(&fixture.Key(t).PublicKey, nil, 0, 0)}},
		{DNS: []string{"https://example.org"}},
	} {
		if _, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}, Discovery: &d}); err == nil {
			t.Errorf("New accepted %+v", d)
		}
	}
}

func TestAttributesMustFit(t *testing.T) {
	spec := greetSpec("greet")
	spec.Attributes = func() []enr.Entry { return []enr.Entry{enr.WithEntry("big", make([]byte, 200))} }
	_, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{spec}})
	if err == nil {
		t.Error("New accepted a record larger than EIP-778 allows")
	}
}

// TestRecordOvertakes: the record's sequence number grows even if a node runs without discovery and
// changes its record in between.
func TestRecordOvertakes(t *testing.T) {
	dir := t.TempDir()
	key := fixture.Key(t)
	var seq uint64
	for i, nat := range []string{"", "extip:203.0.113.1", "", "extip:203.0.113.2", ""} {
		n := startNode(t, func(c *node.Config) {
			c.Key, c.DataDir, c.NAT = key, dir, nat
			if i == 0 || i == 4 {
				c.Discovery = &node.Discovery{V5: true}
			}
		})
		if got := n.Self().Seq(); got <= seq {
			t.Errorf("run %d: sequence number %d after %d", i, got, seq)
		} else {
			seq = got
		}
		nodetest.Stop(t, n)
	}
}

func TestDiscoveryPort(t *testing.T) {
	n := startNode(t, func(c *node.Config) {
		c.Listen = []netip.AddrPort{nodetest.Loopback}
		c.Discovery = &node.Discovery{V4: true, Port: freeUDP(t)}
	})
	udp, ok := n.Self().UDPEndpoint()
	if !ok || int(udp.Port()) == n.Self().TCP() {
		t.Errorf("record %v: want different UDP and TCP ports", n.Self())
	}
	at, err := enode.ParseV4(n.LocalURL())
	if err != nil || at.UDP() != int(udp.Port()) {
		t.Errorf("URL %s does not have the UDP port %d (%v)", n.LocalURL(), udp.Port(), err)
	}
}

// freeUDP returns a UDP port that is free at the moment.
func freeUDP(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return uint16(conn.LocalAddr().(*net.UDPAddr).Port)
}

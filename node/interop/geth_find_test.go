package interop_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// TestGethFindsUsAndWeFindIt: a go-ethereum node and ours know only one third node, which takes
// no peers. By either version of discovery each finds the other and connects.
func TestGethFindsUsAndWeFindIt(t *testing.T) {
	for _, version := range []struct {
		name   string
		v4, v5 bool
	}{{"v4", true, false}, {"v5", false, true}} {
		for _, theyDial := range []bool{true, false} {
			name := version.name + ", we dial"
			if theyDial {
				name = version.name + ", they dial"
			}
			t.Run(name, func(t *testing.T) { findEachOther(t, version.v4, version.v5, theyDial) })
		}
	}
}

// lurker is a protocol that sends nothing.
func lurker() protocols.Spec {
	return fixture.Lines("lurk", func() actor.ReceiveFunc { return func(actor.Context) {} })
}

// findEachOther runs the three nodes. Only one of the two dials.
func findEachOther(t *testing.T, v4, v5, theyDial bool) {
	common := nodetest.Start(t, func(c *node.Config) {
		c.Specs = []protocols.Spec{lurker()}
		c.MaxPeers = -1
		c.Discovery = &node.Discovery{V4: v4, V5: v5}
	})
	known := []*enode.Node{common.Self()}
	g := startGeth(t, func(c *p2p.Config) {
		c.Protocols = []p2p.Protocol{silent("lurk")}
		c.NoDiscovery = false
		c.DiscoveryV4, c.DiscoveryV5 = v4, v5
		c.BootstrapNodes, c.BootstrapNodesV5 = known, known
		c.NoDial = !theyDial
	})
	n := nodetest.Start(t, func(c *node.Config) {
		c.Specs = []protocols.Spec{lurker()}
		c.Discovery = &node.Discovery{V4: v4, V5: v5, Bootnodes: known, BootnodesV5: known}
		if theyDial {
			c.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
				return nil, errors.New("this node does not dial")
			}
		}
	})
	actortest.Eventually(t, "a link", func() bool { return n.PeerCount() == 1 })
	if p := nodetest.Peer(t, n, g.self.ID()); p.Inbound != theyDial || p.Name != "geth" {
		t.Errorf("peer %+v, want geth with inbound %v", p, theyDial)
	}
}

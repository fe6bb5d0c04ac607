package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/punch"
)

// TestLinkThroughNeighbour: two nodes that can't be dialed get a link by a call through their
// common neighbour, over real sockets. The caller is the initiator.
func TestLinkThroughNeighbour(t *testing.T) {
	var dialed atomic.Int32
	edit := func(ip string, boot ...*enode.Node) func(c *Config) {
		return func(c *Config) {
			c.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 0)}
			c.HolePunching.Private, c.Discovery.BootnodesV5 = true, boot
			c.DialFrom = listen.DialFrom
			c.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
				dialed.Add(1)
				return nil, errors.New("the test dials no node directly")
			}
		}
	}
	relay := punchingNode(t, edit("127.0.0.1"))
	a := punchingNode(t, edit("127.0.0.2", relay.Self()))
	b := punchingNode(t, edit("127.0.0.3", relay.Self()))
	for _, n := range []*Node{a, b} {
		actortest.Eventually(t, "the neighbour reports the node's endpoint", func() bool {
			s, _ := n.HolePunching()
			return s.Belief == punch.Open && len(s.Relays) > 0
		})
	}
	if err := a.AddPeer(b.Self()); err != nil {
		t.Fatal(err)
	}
	link := func(n, other *Node) (p PeerInfo, ok bool) {
		peers := n.Peers()
		i := slices.IndexFunc(peers, func(p PeerInfo) bool { return p.ID == other.ID() })
		if i < 0 {
			return p, false
		}
		return peers[i], true
	}
	var atA, atB PeerInfo
	actortest.Eventually(t, "a link, whichever node calls", func() bool {
		var okA, okB bool
		atA, okA = link(a, b)
		atB, okB = link(b, a)
		return okA && okB
	})
	if atA.Inbound == atB.Inbound {
		t.Fatalf("inbound is %v at one end and %v at the other", atA.Inbound, atB.Inbound)
	}
	if atA.Inbound {
		a, atA = b, atB
	}
	if !atA.Punched {
		t.Errorf("the caller's link is not punched: %+v", atA)
	}
	if dialed.Load() == 0 {
		t.Error("no node was dialed before the call")
	}
	actortest.Eventually(t, "the call is counted", func() bool {
		s, _ := a.HolePunching()
		return s.Calls[punch.EndedLinked] > 0
	})
	checkAdminOfPunched(t, a, atA.ID)
}

// checkAdminOfPunched checks what the caller's admin API returns about the punched link and its
// NAT.
func checkAdminOfPunched(t *testing.T, n *Node, called enode.ID) {
	t.Helper()
	client, err := n.Attach()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var peers []peerView
	if err := client.CallContext(t.Context(), &peers, "admin_peers"); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(peers, func(p peerView) bool { return p.ID == called.String() }); i < 0 || !peers[i].Punched {
		t.Errorf("admin_peers: %+v", peers)
	}
	var status NATStatus
	if err := client.CallContext(t.Context(), &status, "admin_nat"); err != nil || status.Written.IsZero() || status.HolePunching == nil {
		t.Fatalf("admin_nat: %+v, %v", status, err)
	}
	if s := status.HolePunching; s.Belief != punch.Open || !s.Observed.IsValid() || len(s.Relays) == 0 || s.Calls[punch.EndedLinked] == 0 {
		t.Errorf("admin_nat: %+v", s)
	}
}

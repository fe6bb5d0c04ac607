package node_test

import (
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// TestState: the counters of all parts fit together, on both ends of a link.
func TestState(t *testing.T) {
	a := startNode(t, nil)
	b := startNode(t, func(c *node.Config) { c.StaticNodes = []*enode.Node{a.Self()} })
	actortest.Eventually(t, "the link, on both ends", func() bool { return a.PeerCount() == 1 && b.PeerCount() == 1 })
	actortest.Eventually(t, "the end of the dial is counted", func() bool { return b.State().Dial.Linked == 1 })
	at, bt := a.State(), b.State()
	if s := at.Listen; s.Accepted != 1 || s.Failed != 0 {
		t.Errorf("a's sockets: %+v", s)
	}
	if s := at.Setup; s.Accepted != 1 || s.Established != 1 || s.Refused != 0 || s.Failed != 0 || s.Dialed != 0 {
		t.Errorf("a's setup: %+v", s)
	}
	if s := at.Peers; s.Peers != 1 || s.Inbound != 1 || s.Linked != 1 || s.Ended != 0 {
		t.Errorf("a's peers: %+v", s)
	}
	if s := bt.Setup; s.Dialed != 1 || s.Established != 1 || s.Accepted != 0 {
		t.Errorf("b's setup: %+v", s)
	}
	if s := bt.Dial; s.Dialed != 1 || s.Static != 1 || s.UnderWay != 0 {
		t.Errorf("b's dialer: %+v", s)
	}
	if s := bt.Peers; s.Peers != 1 || s.Inbound != 0 || s.Linked != 1 {
		t.Errorf("b's peers: %+v", s)
	}
	nodetest.Stop(t, b)
	actortest.Eventually(t, "the end of the link", func() bool { return a.PeerCount() == 0 })
	if s := a.State().Peers; s.Peers != 0 || s.Linked != 1 || s.Ended != 1 {
		t.Errorf("a's peers after the end: %+v", s)
	}
}

// TestStateBeforeStart: a node that does not run yet has a state, too.
func TestStateBeforeStart(t *testing.T) {
	n, err := node.New(node.Config{Key: fixture.Key(t), Listen: []netip.AddrPort{nodetest.Loopback}, Specs: []protocols.Spec{greetSpec("greet")}})
	if err != nil {
		t.Fatal(err)
	}
	if s := n.State(); s.Peers.Peers != 0 || s.Listen.Accepted != 0 || s.Discovery.Packets != 0 {
		t.Errorf("%+v", s)
	}
}

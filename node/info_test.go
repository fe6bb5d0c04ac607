package node_test

import (
	"context"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// TestProtocolsReportTheirInfo: Peers and Info have what the hooks of the Specs return.
func TestProtocolsReportTheirInfo(t *testing.T) {
	silent, shaking, ready := greetSpec("silent"), greetSpec("shaking"), greetSpec("ready")
	shaking.PeerInfo = func(*protocols.Link) any { return nil }
	ready.PeerInfo = func(l *protocols.Link) any { return l.Peer().Name }
	ready.NodeInfo = func() any { return 42 }
	specs := func(c *node.Config) { c.Specs = []protocols.Spec{silent, shaking, ready} }
	a := startNode(t, specs)
	startNode(t, func(c *node.Config) {
		specs(c)
		c.StaticNodes = []*enode.Node{a.Self()}
	})
	actortest.Eventually(t, "a peer", func() bool { return a.PeerCount() == 1 })
	want := map[string]any{"silent": "unknown", "shaking": "handshake", "ready": t.Name()}
	got := a.Peers()[0].Protocols
	for name, info := range want {
		if got[name] != info {
			t.Errorf("%s reports %v of the link, want %v", name, got[name], info)
		}
	}
	info := a.Info()
	if info.Protocols["ready"] != 42 || info.Protocols["silent"] != "unknown" {
		t.Errorf("protocols report %v", info.Protocols)
	}
	if info.ID != a.ID() || info.Enode != a.LocalURL() || info.Record != a.Self().String() || len(info.Caps) != 3 {
		t.Errorf("info %+v", info)
	}
}

func TestSubscribeMessages(t *testing.T) {
	hello := greetSpecWith("greet", func(ctx actor.Context) {
		if up, ok := ctx.Message().(*protocols.LinkUp); ok {
			if err := up.Link.Send(&greeting{"hello"}); err != nil {
				t.Error(err)
			}
		}
	})
	a := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{hello} })
	ctx, cancel := context.WithCancel(context.Background())
	messages := a.SubscribeMessages(ctx, 16)
	b := startNode(t, func(c *node.Config) {
		c.Specs = []protocols.Spec{hello}
		c.StaticNodes = []*enode.Node{a.Self()}
	})
	seen := map[bool]int{} // by Sent
	for range 2 {
		m := <-messages
		seen[m.Sent]++
		if m.Protocol != greet || m.Code != 0 || m.Size != len("hello")+2 {
			t.Errorf("%+v", m)
		}
		if from := m.Link.Hello().ID; from != [64]byte(crypto.FromECDSAPub(b.Self().Pubkey())[1:]) {
			t.Errorf("message of a link to %x", from[:4])
		}
	}
	if seen[true] != 1 || seen[false] != 1 {
		t.Errorf("messages by direction %v, want one each way", seen)
	}
	cancel()
	for range messages {
		t.Error("there are more messages than were sent")
	}
}

package node_test

import (
	"context"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

func TestProtocolsSpeakForThemselves(t *testing.T) {
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
	eventually(t, "peer", func() bool { return a.PeerCount() == 1 })
	want := map[string]any{"silent": "unknown", "shaking": "handshake", "ready": t.Name()}
	got := a.Peers()[0].Protocols
	for name, info := range want {
		if got[name] != info {
			t.Errorf("%s says %v of the link, want %v", name, got[name], info)
		}
	}
	info := a.Info()
	if info.Protocols["ready"] != 42 || info.Protocols["silent"] != "unknown" {
		t.Errorf("of themselves they say %v", info.Protocols)
	}
	if info.ID != a.ID() || info.Enode != a.LocalURL() || info.Record != a.Self().String() || len(info.Caps) != 3 {
		t.Errorf("the node says %+v", info)
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
		if from := m.Link.Hello().ID; from != idBytes(b) {
			t.Errorf("a link to %x", from[:4])
		}
	}
	if seen[true] != 1 || seen[false] != 1 {
		t.Errorf("%v messages by sent, want one each way", seen)
	}
	cancel()
	for range messages {
		t.Error("more messages than were sent")
	}
}

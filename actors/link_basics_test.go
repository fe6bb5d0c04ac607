package actors

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/wire"
)

func TestTwoLinksTalk(t *testing.T) {
	for name, connect := range map[string]func(testing.TB, []Protocol, []Protocol) *rig{"memory": connect, "TCP": connectTCP} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 10)
			ping, pong := &script{}, &script{}
			ping.up = func(actor.Context) { _ = ping.Send(3, []byte("hello")) }
			ping.message = func(_ actor.Context, in Inbound) error { got <- string(in.Payload); return nil }
			pong.message = func(_ actor.Context, in Inbound) error {
				return pong.Send(in.Code+1, append([]byte("you said "), in.Payload...))
			}
			r := connect(t, []Protocol{ping.protocol("p")}, []Protocol{pong.protocol("p")})
			if s := <-got; s != "you said hello" {
				t.Errorf("got %q", s)
			}
			r.la.Disconnect(wire.DiscTooManyPeers, nil)
			wantCause(t, r.a, Local, wire.DiscTooManyPeers, nil)
			wantCause(t, r.b, Remote, wire.DiscTooManyPeers, nil)
		})
	}
}

package protocols_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// BenchmarkLink sends messages over a whole link in memory: encoded, sealed, opened, decoded and
// delivered, on one machine. One operation is one message.
func BenchmarkLink(b *testing.B) {
	for name, msg := range map[string]any{
		"typed": &text{S: "hello", B: make([]byte, 24)},
		"raw":   &protocols.RawMessage{Code: rawCode, Payload: noise(32)},
	} {
		b.Run(name, func(b *testing.B) {
			drained, done := make(chan struct{}, 1), make(chan struct{})
			arrived := 0
			sender := talk(func(ctx actor.Context, _ *protocols.Link) {
				if _, ok := ctx.Message().(*protocols.Drained); ok {
					drained <- struct{}{}
				}
			})
			reader := talk(func(ctx actor.Context, _ *protocols.Link) {
				if protocols.ReceivedAt(ctx).IsZero() {
					return
				}
				if arrived++; arrived == b.N {
					close(done)
				}
			})
			p := protocoltest.NewPair(b, sender, reader)
			b.ReportAllocs()
			b.ResetTimer()
			for sent := 0; sent < b.N; {
				switch err := p.A.Send(msg); err {
				case nil:
					sent++
				case protocols.ErrOutboxFull:
					<-drained
				default:
					b.Fatal(err)
				}
			}
			<-done
		})
	}
}

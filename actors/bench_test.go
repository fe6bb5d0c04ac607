package actors

import (
	"fmt"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/wire"
)

// BenchmarkLinkSink sends messages one way between two links over the loopback
// interface, as fast as the outbox takes them.
func BenchmarkLinkSink(b *testing.B) {
	for _, size := range []int{32, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			done := make(chan struct{})
			source, sink := &script{}, &script{}
			payload, sent, got := noise(size), 0, 0
			source.drained = func(actor.Context) {
				for sent < b.N && source.Send(0, payload) == nil {
					sent++
				}
			}
			sink.message = func(actor.Context, Inbound) error {
				if got++; got == b.N {
					close(done)
				}
				return nil
			}
			connectTCP(b, []Protocol{source.protocol("a")}, []Protocol{sink.protocol("a")})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			source.tell(source.drained)
			<-done
		})
	}
}

// BenchmarkLinkEcho sends messages there and back, several of them in flight.
func BenchmarkLinkEcho(b *testing.B) {
	for _, tt := range []struct{ size, inFlight int }{{32, 1}, {32, 64}, {32 << 10, 1}, {32 << 10, 16}} {
		b.Run(fmt.Sprintf("%d/%d", tt.size, tt.inFlight), func(b *testing.B) {
			done := make(chan struct{})
			asks, answers := &script{}, &script{}
			payload, sent, got := noise(tt.size), 0, 0
			ask := func() {
				for sent < b.N && sent < got+tt.inFlight && asks.Send(0, payload) == nil {
					sent++
				}
			}
			asks.message = func(actor.Context, Inbound) error {
				if got++; got == b.N {
					close(done)
				}
				ask()
				return nil
			}
			answers.message = func(_ actor.Context, in Inbound) error { return answers.Send(1, in.Payload) }
			connectTCP(b, []Protocol{asks.protocol("a")}, []Protocol{answers.protocol("a")})
			b.SetBytes(2 * int64(tt.size))
			b.ReportAllocs()
			b.ResetTimer()
			asks.tell(func(actor.Context) { ask() })
			<-done
		})
	}
}

// BenchmarkLinkUpDown starts and ends links, handshake included.
func BenchmarkLinkUpDown(b *testing.B) {
	n, m := newNode(b), newNode(b)
	for b.Loop() {
		s := &script{}
		link(b, n, m, []Protocol{s.protocol("a")}, []Protocol{new(script).protocol("a")})
		s.Disconnect(wire.DiscRequested, nil)
		n.wait()
		m.wait()
	}
}

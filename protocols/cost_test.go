package protocols

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/actortest"
)

// These tests measure the kit itself, without link and network: one message in, from bytes to the
// actor's Receive, and one out, up to the host.

type small struct {
	ID   uint64
	Body []byte
}

type sink struct{ bytes int }

func (s *sink) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *RawMessage:
		s.bytes += len(msg.Payload)
	case *small:
		s.bytes += len(msg.Body)
	}
}

const (
	costRaw   = 0
	costSmall = 1
)

func costSet() *messageSet {
	return newMessageSet("cost/1", Version{Length: 2, Messages: []Message{Raw(), Type[small]()}})
}

// linkOf is a link without a host.
func linkOf(set *messageSet) *Link { return &Link{linkCore: &linkCore{set: set}, own: true} }

func costBehaviour() (*behaviour, *sink) {
	s := new(sink)
	return &behaviour{link: linkOf(costSet()), actor: s}, s
}

func encoded(tb testing.TB, body int) []byte {
	payload, err := rlp.EncodeToBytes(&small{ID: 1, Body: make([]byte, body)})
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

func TestCost(t *testing.T) {
	b, s := costBehaviour()
	payload := encoded(t, 32)
	set := costSet()
	msg := &small{ID: 1, Body: make([]byte, 32)}
	deliver := func(code uint64) func() {
		in := actors.Inbound{Code: code, Payload: payload, ReceivedAt: time.Unix(1, 0)}
		return func() {
			if err := b.Message(nil, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	rlpAlone := testing.AllocsPerRun(1000, func() {
		if err := rlp.DecodeBytes(payload, new(small)); err != nil {
			t.Fatal(err)
		}
	})
	for name, c := range map[string]struct {
		do   func()
		most float64 // allocations
	}{
		"raw in":   {deliver(costRaw), 0},
		"typed in": {deliver(costSmall), rlpAlone},
		"typed out": {func() {
			if _, _, e, err := set.encode(msg); err == nil {
				e.free()
			}
		}, 0},
		"raw out": {func() {
			if _, _, _, err := set.encode(&b.raw); err != nil {
				t.Fatal(err)
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if actortest.Race {
				c.most++ // the race detector makes pools drop items
			}
			if got := testing.AllocsPerRun(1000, c.do); got > c.most {
				t.Errorf("%v allocations a message, want at most %v", got, c.most)
			}
		})
	}
	if s.bytes == 0 {
		t.Error("nothing was delivered")
	}
}

func BenchmarkReceive(b *testing.B) {
	payload := encoded(b, 32)
	for name, code := range map[string]uint64{"raw": costRaw, "typed": costSmall} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			life, _ := costBehaviour()
			in := actors.Inbound{Code: code, Payload: payload}
			for b.Loop() {
				if err := life.Message(nil, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("rlp alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := rlp.DecodeBytes(payload, new(small)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	set := costSet()
	msg := &small{ID: 1, Body: make([]byte, 32)}
	b.Run("typed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, e, err := set.encode(msg)
			if err != nil {
				b.Fatal(err)
			}
			e.free()
		}
	})
	b.Run("rlp alone", func(b *testing.B) {
		b.ReportAllocs()
		buf := new(encoding)
		for b.Loop() {
			buf.b = buf.b[:0]
			if err := rlp.Encode(buf, msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Package bench is the subprotocol bench/1, which load generators speak to measure
// a node: it swallows data, echoes, and floods on request. It is also the shortest
// complete example of raw messages and of sequences.
//
//	0x00 Data      [payload]      consumed
//	0x01 Echo      [id, payload]  answered with EchoReply, same id and payload
//	0x02 EchoReply [id, payload]  ignored
//	0x03 Flood     [count, size]  answered with count Data of size bytes, then FloodDone
//	0x04 FloodDone [count]        ignored
//	0x05 Sync      [id]           answered with SyncReply, same id
//	0x06 SyncReply [id]           ignored
//
// Codes 0x07 to 0x0f are reserved and ignored. Answers keep the order of the
// requests.
package bench

import (
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
)

// MaxSize is the largest payload that a Flood may ask for, in bytes.
const MaxSize = 8 << 20

// Message codes that are used by number: Data is raw, so that its RLP is not
// parsed.
const dataCode = 0x00

// The messages of bench/1.
type (
	// Data is what a flood consists of.
	Data struct{ Payload []byte }
	// Echo asks for an EchoReply.
	Echo struct {
		ID      uint64
		Payload []byte
	}
	// EchoReply answers an Echo.
	EchoReply struct {
		ID      uint64
		Payload []byte
	}
	// Flood asks for Count times Data of Size bytes, and FloodDone.
	Flood struct{ Count, Size uint64 }
	// FloodDone ends the answer to a Flood.
	FloodDone struct{ Count uint64 }
	// Sync asks for a SyncReply.
	Sync struct{ ID uint64 }
	// SyncReply answers a Sync, when all that came before it is handled.
	SyncReply struct{ ID uint64 }
)

// Spec describes bench/1.
func Spec() protocols.Spec {
	ignore := protocols.Ignore()
	return protocols.Spec{
		Name: "bench",
		Versions: []protocols.Version{{Number: 1, Length: 16, Messages: []protocols.Message{
			protocols.Raw(), // Data
			protocols.Type[Echo](),
			protocols.Type[EchoReply](),
			protocols.Type[Flood](),
			protocols.Type[FloodDone](),
			protocols.Type[Sync](),
			protocols.Type[SyncReply](),
			ignore, ignore, ignore, ignore, ignore, ignore, ignore, ignore, ignore,
		}}},
		New: func() actor.Actor { return new(bench) },
	}
}

// bench serves one link.
type bench struct {
	link *protocols.Link
	// waiting are answers that found the outbox full, in order. The host delivers
	// nothing while the outbox is above its high water, which is below what makes
	// a Send fail, so that it never holds more than the answers to one message.
	waiting []any
}

func (b *bench) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		b.link = msg.Link
	case *protocols.RawMessage: // Data: consumed
	case *Echo:
		b.answer(&EchoReply{ID: msg.ID, Payload: msg.Payload})
	case *Sync:
		b.answer(&SyncReply{ID: msg.ID})
	case *Flood:
		b.flood(msg)
	case *protocols.Drained:
		waiting := b.waiting
		b.waiting = nil
		for _, msg := range waiting {
			b.answer(msg)
		}
	}
}

func (b *bench) answer(msg any) {
	if len(b.waiting) > 0 {
		b.waiting = append(b.waiting, msg)
		return
	}
	switch err := b.link.Send(msg); err {
	case nil, protocols.ErrLinkDown:
	case protocols.ErrOutboxFull:
		b.waiting = append(b.waiting, msg)
	default:
		panic(err)
	}
}

func (b *bench) flood(ask *Flood) {
	if ask.Size > MaxSize {
		b.link.Disconnect(protocols.DiscProtocolError)
		return
	}
	// The bytes must not compress; one payload serves the whole flood.
	payload := make([]byte, ask.Size)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(payload); err != nil {
		panic(fmt.Errorf("ChaCha8 never fails: %w", err))
	}
	encoded, err := rlp.EncodeToBytes(&Data{Payload: payload})
	if err != nil {
		panic(err)
	}
	if err := b.link.SendSeq(answers(ask.Count, encoded)); err != nil && err != protocols.ErrLinkDown {
		panic(err)
	}
}

func answers(count uint64, data []byte) iter.Seq[any] {
	return func(yield func(any) bool) {
		msg := &protocols.RawMessage{Code: dataCode, Payload: data}
		for range count {
			if !yield(msg) {
				return
			}
		}
		yield(&FloodDone{Count: count})
	}
}

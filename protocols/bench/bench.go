// Package bench implements the subprotocol bench/1, with which load generators
// measure a node: it consumes data, echoes, and floods on request. It is also the
// shortest complete example of raw messages and of sequences.
//
//	0x00 Data      [payload]      consumed
//	0x01 Echo      [id, payload]  answered with EchoReply, same id and payload
//	0x02 EchoReply [id, payload]  ignored
//	0x03 Flood     [count, size]  answered with count Data of size bytes, then FloodDone
//	0x04 FloodDone [count]        ignored
//	0x05 Sync      [id]           answered with SyncReply, same id
//	0x06 SyncReply [id]           ignored
//
// Codes 0x07 to 0x0f are reserved and ignored. Answers are sent in the order of
// the requests.
package bench

import (
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
)

// MaxSize is the largest payload that is echoed, and that a Flood may ask for, in
// bytes. The answer fits a frame even if the payload is incompressible.
const MaxSize = 8 << 20

// headroom is how many bytes an Echo may have beside its payload, and one payload beyond MaxSize,
// which the actor refuses by name.
const headroom = 64

// dataCode is the code of Data. Data is sent and received raw, so its RLP is not
// parsed.
const dataCode = 0x00

// The messages of bench/1.
type (
	// Data is one message of a flood.
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
	// Flood asks for Count messages Data of Size bytes, and a FloodDone.
	Flood struct{ Count, Size uint64 }
	// FloodDone ends the answer to a Flood.
	FloodDone struct{ Count uint64 }
	// Sync asks for a SyncReply.
	Sync struct{ ID uint64 }
	// SyncReply answers a Sync when all messages before it are handled.
	SyncReply struct{ ID uint64 }
)

// Spec returns the Spec of bench/1.
func Spec() protocols.Spec {
	ignore := protocols.Ignore()
	return protocols.Spec{
		Name: "bench",
		Versions: []protocols.Version{{Number: 1, Length: 16, Messages: []protocols.Message{
			protocols.Raw(), // Data
			protocols.Type[Echo](protocols.MaxSize(MaxSize + headroom)),
			protocols.Type[EchoReply](),
			protocols.Type[Flood](),
			protocols.Type[FloodDone](),
			protocols.Type[Sync](),
			protocols.Type[SyncReply](),
			ignore, ignore, ignore, ignore, ignore, ignore, ignore, ignore, ignore,
		}}},
		New: func() actor.Actor { return new(bench) },
	}.Advertised()
}

// bench serves one link.
type bench struct{ link *protocols.Link }

func (b *bench) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		b.link = msg.Link
	case *protocols.RawMessage: // Data: consumed
	case *Echo:
		b.echo(msg)
	case *Sync:
		b.answer(&SyncReply{ID: msg.ID})
	case *Flood:
		b.flood(msg)
	case *protocols.Drained:
		b.answerKept()
	}
}

// kept is the answer that did not fit into the outbox. There is never more than one,
// because no request is delivered until the outbox has room again. It is state of the
// link, so a crash does not lose it.
type kept struct{ answer any }

func (b *bench) echo(ask *Echo) {
	if size := uint64(len(ask.Payload)); size > MaxSize {
		b.reject("echo", size)
		return
	}
	b.answer(&EchoReply{ID: ask.ID, Payload: ask.Payload})
}

func (b *bench) reject(what string, size uint64) {
	b.link.DisconnectWithError(protocols.DiscProtocolError, fmt.Errorf("%s of %d bytes, want at most %d", what, size, MaxSize))
}

func (b *bench) answer(msg any) {
	switch err := b.link.Send(msg); err {
	case nil, protocols.ErrLinkDown:
	case protocols.ErrOutboxFull:
		protocols.State[kept](b.link).answer = msg
	default:
		panic(err)
	}
}

func (b *bench) answerKept() {
	k := protocols.State[kept](b.link)
	if msg := k.answer; msg != nil {
		k.answer = nil
		b.answer(msg)
	}
}

func (b *bench) flood(ask *Flood) {
	if ask.Size > MaxSize {
		b.reject("flood", ask.Size)
		return
	}
	// The bytes must be incompressible. The whole flood uses one payload.
	payload := make([]byte, ask.Size)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(payload); err != nil {
		panic(fmt.Errorf("ChaCha8 failed, which is impossible: %w", err))
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

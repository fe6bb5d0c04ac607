package protocoltest

import (
	"bytes"
	"reflect"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// ByHand makes a Spec whose end the test controls: its actor only stores what the other end
// sends, for [Next]. The kit still does its part: it performs the Version's Handshake before the
// test gets the [Pair]; an answer arrives if the test has asked with Ask, and is dropped if the
// test only sent the request.
func ByHand(s protocols.Spec) protocols.Spec {
	s.New = func() actor.Actor { return new(keeper) }
	return s
}

// tape holds the messages that a ByHand end has received.
type tape struct{ record[any] }

// keeper is the actor of a ByHand end.
type keeper struct{ tape *tape }

func (k *keeper) Receive(ctx actor.Context) {
	if up, ok := ctx.Message().(*protocols.LinkUp); ok {
		k.tape = protocols.State[tape](up.Link)
	}
	if protocols.ReceivedAt(ctx).IsZero() {
		return // not from the remote
	}
	k.tape.add(kept(ctx.Message()))
}

// kept returns a form of the message that stays valid after Receive.
func kept(msg any) any {
	raw, ok := msg.(*protocols.RawMessage)
	if !ok {
		return msg
	}
	c := *raw
	c.Payload = bytes.Clone(raw.Payload)
	return &c
}

// Next waits for the next message that a [ByHand] end has received, and returns it. A message of
// another type than T, or the link's end, fails the test at once. Only the test's own goroutine
// may call it.
func Next[T any](e *End) *T {
	e.tb.Helper()
	msg := e.next(reflect.TypeFor[T]())
	v, ok := msg.(*T)
	if !ok {
		e.tb.Fatalf("end %s: got %T %+v, want %v", e.name, msg, msg, reflect.TypeFor[T]())
	}
	return v
}

func (e *End) next(want reflect.Type) any {
	e.tb.Helper()
	received := protocols.State[tape](e.Link)
	overdue := time.NewTimer(patience)
	defer overdue.Stop()
	for ended := false; ; {
		msgs, more := received.from(e.taken)
		if len(msgs) > 0 {
			e.taken++
			return msgs[0]
		}
		if ended {
			e.tb.Fatalf("end %s: want %v, but the link has ended: %v", e.name, want, e.link.Cause())
		}
		select {
		case <-more:
		case <-e.gone: // check once more for earlier messages
			ended = true
		case <-overdue.C:
			e.tb.Fatalf("end %s: want %v, nothing arrived within %v", e.name, want, patience)
		}
	}
}

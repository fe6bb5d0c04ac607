package protocoltest

import (
	"bytes"
	"reflect"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// ByHand makes a Spec whose end is played by the test: its actor does nothing but
// keep what the other end sends, for [Next]. What the kit does for an actor it does for
// the test: it goes through the Version's Handshake before the test has the [Pair], and an
// answer arrives if the test has asked with Ask, and is dropped if it only sent the request.
func ByHand(s protocols.Spec) protocols.Spec {
	s.New = func() actor.Actor { return new(keeper) }
	return s
}

// tape is what an end that is played by hand has received.
type tape struct{ record[any] }

// keeper is the actor of an end that is played by hand.
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

// kept is a message as it can be kept after Receive.
func kept(msg any) any {
	raw, ok := msg.(*protocols.RawMessage)
	if !ok {
		return msg
	}
	c := *raw
	c.Payload = bytes.Clone(raw.Payload)
	return &c
}

// Next takes the next message that an end made with [ByHand] has received, and waits
// for it. Anything else than a T fails the test at once, and so does the link's end.
// It is called by the test's own goroutine.
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
		case <-e.gone: // look once more for what came before
			ended = true
		case <-overdue.C:
			e.tb.Fatalf("end %s: want %v, nothing came in %v", e.name, want, patience)
		}
	}
}

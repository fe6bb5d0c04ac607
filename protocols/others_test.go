package protocols_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestOtherActors: a child sends its protocol's actor a request and gets the answer, and receives
// forwarded messages, a raw one as a copy.
func TestOtherActors(t *testing.T) {
	forwarded, answered := make(chan *protocols.RawMessage, 10), make(chan string, 1)
	child := actor.PropsFromFunc(func(ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			ctx.Request(ctx.Parent(), "question")
		case string:
			answered <- msg
		case *protocols.RawMessage:
			forwarded <- msg
		}
	})
	var pid *actor.PID // the actor's own PID
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *protocols.LinkUp:
			pid = ctx.Spawn(child)
		case string:
			if !protocols.ReceivedAt(ctx).IsZero() || !ctx.Sender().Equal(pid) || !ctx.Self().Equal(link.Self()) {
				ctx.Respond("no sender")
				return
			}
			ctx.Respond(msg + " answered")
		case *protocols.RawMessage:
			ctx.Forward(pid)
		}
	}), byHand())
	if got := next(t, answered, p.A); got != "question answered" {
		t.Errorf("the child received %q", got)
	}
	for i := range byte(10) {
		send(t, p.B, &protocols.RawMessage{Code: rawCode, Payload: bytes.Repeat([]byte{i}, 100)})
	}
	for i := range byte(10) {
		if got := next(t, forwarded, p.A); !bytes.Equal(got.Payload, bytes.Repeat([]byte{i}, 100)) || got.ReceivedAt.IsZero() {
			t.Errorf("forwarded message %d is %v…", i, got.Payload[:3])
		}
	}
}

// TestReenter: an actor sends another one a request and goes on with the answer in its own turn,
// while messages are delivered to it. The context of the request is still valid then.
func TestReenter(t *testing.T) {
	oracle := actor.PropsFromFunc(func(ctx actor.Context) {
		if n, ok := ctx.Message().(uint64); ok {
			ctx.Respond(n * 6)
		}
	})
	var pid *actor.PID // the actor's own PID
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *protocols.LinkUp:
			pid = ctx.Spawn(oracle)
		case *ask:
			ctx.ReenterAfter(ctx.RequestFuture(pid, msg.N, time.Minute), func(res any, err error) {
				if err != nil || !ctx.Self().Equal(link.Self()) || ctx.Message() != nil {
					t.Errorf("result %v, error %v in actor %v, with current message %v", res, err, ctx.Self(), ctx.Message())
					return
				}
				if err := link.Send(&answer{N: res.(uint64)}); err != nil {
					t.Error(err)
				}
			})
		}
	}), byHand())
	send(t, p.B, &ask{N: 7})
	if got := protocoltest.Next[answer](p.B); got.N != 42 {
		t.Errorf("the answer is %d", got.N)
	}
}

package protocols

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// asked is a host's context in the turn of a request from another actor.
type asked struct {
	actor.Context
	by   *actor.PID
	sent map[*actor.PID]any
}

func (a asked) Sender() *actor.PID { return a.by }

func (a asked) Message() any { return "question" }

func (a asked) Send(to *actor.PID, msg any) { a.sent[to] = msg }

// TestSenderOfTheTurn: another actor's request starts a turn; what the link delivers in that turn
// does not have that actor as its sender.
func TestSenderOfTheTurn(t *testing.T) {
	turn := asked{by: actor.NewPID("local", "requester")}
	var sender *actor.PID
	var said any
	b := &behaviour{link: linkOf(costSet()), actor: actor.ReceiveFunc(func(ctx actor.Context) {
		sender, said = ctx.Sender(), ctx.Message()
	})}
	b.Other(turn)
	if sender != turn.by || said != "question" {
		t.Errorf("the request is %v from %v", said, sender)
	}
	b.deliver(turn, "from the link", time.Time{})
	if sender != nil || said != "from the link" {
		t.Errorf("the link's message is %v from %v", said, sender)
	}
}

// TestForwardedRawIsACopy reuses the buffer after Receive, as a host does.
func TestForwardedRawIsACopy(t *testing.T) {
	other := actor.NewPID("local", "other")
	turn := asked{sent: map[*actor.PID]any{}}
	b := &behaviour{link: linkOf(costSet()), actor: actor.ReceiveFunc(func(ctx actor.Context) { ctx.Forward(other) })}
	buffer, at := []byte("first"), time.Unix(1, 0)
	if err := b.Message(turn, actors.Inbound{Code: costRaw, Payload: buffer, ReceivedAt: at}); err != nil {
		t.Fatal(err)
	}
	copy(buffer, "other")
	if got, ok := turn.sent[other].(*RawMessage); !ok || string(got.Payload) != "first" || got.Code != costRaw || got.ReceivedAt != at {
		t.Errorf("forwarded is %+v", turn.sent[other])
	}
}

package protocols

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// asked is a host's context in the turn of a request of another actor.
type asked struct {
	actor.Context
	by *actor.PID
}

func (a asked) Sender() *actor.PID { return a.by }

func (a asked) Message() any { return "question" }

// TestSenderOfTheTurn: what the link delivers in a turn that another actor's request
// began is not that actor's.
func TestSenderOfTheTurn(t *testing.T) {
	turn := asked{by: actor.NewPID("local", "somebody")}
	var sender *actor.PID
	var said any
	b := &behaviour{link: &Link{set: costSet()}, actor: actor.ReceiveFunc(func(ctx actor.Context) {
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

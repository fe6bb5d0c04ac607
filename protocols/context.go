package protocols

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// messageContext is the host's context with the actor's message in it.
type messageContext struct {
	actor.Context
	message any
	at      time.Time
	size    int  // bytes of the payload from which the message was decoded
	ofLink  bool // the message came from the link, not from another actor
}

func (c *messageContext) Message() any { return c.message }

// Sender returns nil for messages of the link, whichever actor woke the host.
func (c *messageContext) Sender() *actor.PID {
	if c.ofLink {
		return nil
	}
	return c.Context.Sender()
}

// Respond refuses to answer the remote: the answer would be lost silently.
func (c *messageContext) Respond(response any) {
	if c.ofLink {
		panic("protocols: a message of the link has no sender; answer with Link.Send")
	}
	c.Context.Respond(response)
}

// Forward sends the message on. A RawMessage is copied, because its payload is invalid after
// Receive.
func (c *messageContext) Forward(to *actor.PID) {
	if !c.ofLink {
		c.Context.Forward(to)
		return
	}
	supervise.Send(c.Context, to, kept(c.message))
}

// Stash is refused: it would corrupt the host's mailbox.
func (c *messageContext) Stash() {
	panic("protocols: Stash is not supported; keep the message in the actor or in its State")
}

// ReceivedAt returns when the current message arrived from the network, or the zero time if it
// did not come from the network. All messages of one read have the same time.
func ReceivedAt(ctx actor.Context) time.Time {
	if c, ok := ctx.(*messageContext); ok {
		return c.at
	}
	return time.Time{}
}

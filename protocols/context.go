package protocols

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// messageContext is the host's context with the author's message in it.
type messageContext struct {
	actor.Context
	message any
	at      time.Time
	size    int  // bytes of the payload from which the message was decoded
	ofLink  bool // the message came by way of the link, not from another actor
}

func (c *messageContext) Message() any { return c.message }

// Sender is nobody for what comes by way of the link, whoever woke the host.
func (c *messageContext) Sender() *actor.PID {
	if c.ofLink {
		return nil
	}
	return c.Context.Sender()
}

// Respond refuses to answer the remote: the answer would be lost without a word.
func (c *messageContext) Respond(response any) {
	if c.ofLink {
		panic("protocols: a message of the link has no sender; answer with Link.Send")
	}
	c.Context.Respond(response)
}

// Forward sends the message on. A RawMessage goes as a copy, because its payload
// does not outlive Receive.
func (c *messageContext) Forward(to *actor.PID) {
	if !c.ofLink {
		c.Context.Forward(to)
		return
	}
	supervise.Send(c.Context, to, kept(c.message))
}

// Stash is refused: it would put the host's mailbox into disorder.
func (c *messageContext) Stash() {
	panic("protocols: Stash is not supported; keep the message in the actor or in its State")
}

// ReceivedAt is when the message at hand came from the network; the zero time for
// one that did not. All that came in one read has the same time.
func ReceivedAt(ctx actor.Context) time.Time {
	if c, ok := ctx.(*messageContext); ok {
		return c.at
	}
	return time.Time{}
}

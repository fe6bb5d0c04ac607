package protocols

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// behaviour is one life of an author's actor, as the host sees it. It turns codes
// and bytes into typed messages.
type behaviour struct {
	link  *Link
	actor actor.Actor
	ctx   messageContext
	raw   RawMessage
}

// messageContext is the host's context with another message in it.
type messageContext struct {
	actor.Context
	message any
	at      time.Time
}

func (c *messageContext) Message() any { return c.message }

// Forward sends the message on, as the host's context would forward what the host
// got.
func (c *messageContext) Forward(to *actor.PID) { actors.Send(c.Context, to, c.message) }

// Stash is refused: it would put the host's mailbox into disorder.
func (c *messageContext) Stash() {
	panic("protocols: Stash is not supported; keep the message in the actor or in its State")
}

// ReceivedAt is when the message at hand came from the network; the zero time for
// one that did not.
func ReceivedAt(ctx actor.Context) time.Time {
	if c, ok := ctx.(*messageContext); ok {
		return c.at
	}
	return time.Time{}
}

// deliver calls the author's Receive. The context lives no longer than that.
func (b *behaviour) deliver(ctx actor.Context, msg any, at time.Time) {
	b.ctx = messageContext{Context: ctx, message: msg, at: at}
	b.actor.Receive(&b.ctx)
	b.ctx = messageContext{}
}

func (b *behaviour) Up(ctx actor.Context) {
	started := State[lives](b.link)
	up := &LinkUp{Link: b.link, Restarted: started.n > 0}
	started.n++
	b.deliver(ctx, up, time.Time{})
}

// lives counts the actors that a link has had.
type lives struct{ n int }

func (b *behaviour) Message(ctx actor.Context, in actors.Inbound) error {
	set := b.link.set
	if in.Code >= uint64(len(set.messages)) {
		return fmt.Errorf("message 0x%02x is not defined in %s", in.Code, set.label)
	}
	switch m := &set.messages[in.Code]; m.kind {
	case typed:
		v, err := m.decode(in.Payload)
		if err != nil {
			return b.decodeError(in.Code, m, err)
		}
		b.deliver(ctx, v, in.ReceivedAt)
	case raw:
		b.raw = RawMessage{Code: in.Code, Payload: in.Payload, ReceivedAt: in.ReceivedAt}
		b.deliver(ctx, &b.raw, in.ReceivedAt)
		b.raw = RawMessage{}
	}
	return nil
}

func (b *behaviour) decodeError(code uint64, m *Message, err error) error {
	link := b.link.host.Link()
	id := link.RemoteID()
	return &DecodeError{
		Protocol: b.link.set.label, Code: code, Type: m.typ.String(), Err: err,
		Peer: hex.EncodeToString(id[:8]) + "@" + link.RemoteAddr().String(),
	}
}

func (b *behaviour) Drained(ctx actor.Context) { b.deliver(ctx, &Drained{}, time.Time{}) }

func (b *behaviour) Other(ctx actor.Context) { b.actor.Receive(ctx) }

func (b *behaviour) Down(ctx actor.Context, cause *actors.Cause) {
	b.deliver(ctx, &LinkDown{Cause: cause}, time.Time{})
}

package protocols

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/wire"
)

// behaviour is one incarnation of the protocol's actor, as the host runs it. It turns codes and
// bytes into typed messages.
type behaviour struct {
	link    *Link
	produce func() actor.Actor
	actor   actor.Actor // made at *actor.Started; nil if that failed
	ctx     messageContext
	raw     RawMessage
}

// receive calls the actor's Receive. It fills in the context in place, because the context is too
// large to copy for each message.
func (b *behaviour) receive(ctx actor.Context, msg any, at time.Time, size int, ofLink bool) {
	if b.actor == nil {
		return // making the actor failed
	}
	if o := b.link.onward; o != nil {
		o.size = size
	}
	c := &b.ctx
	c.Context, c.message, c.at, c.size, c.ofLink = ctx, msg, at, size, ofLink
	b.actor.Receive(c)
	// Continuations of protoactor may use the context later, without a message.
	c.message, c.at, c.size, c.ofLink = nil, time.Time{}, 0, false
}

// deliver passes a message of the link to the actor.
func (b *behaviour) deliver(ctx actor.Context, msg any, at time.Time) {
	b.receive(ctx, msg, at, 0, true)
}

// Other makes the actor, in the actor's own turn: a failure of New is a crash of this protocol
// and not of the link.
func (b *behaviour) Other(ctx actor.Context) {
	msg := ctx.Message()
	switch msg := msg.(type) {
	case *askOverdue:
		b.expire(ctx, msg.id)
		return
	case *serviceCaughtUp:
		b.link.onward.caughtUp(b.link)
		return
	case *actor.Started:
		b.link.holds = 0
		b.link.asks.dropThen() // the state that the continuations of an earlier incarnation use is lost
		if b.actor = b.produce(); b.actor == nil {
			panic(fmt.Errorf("protocol %s: New returned nil", b.link.set.label))
		}
	}
	b.receive(ctx, msg, time.Time{}, 0, false)
}

func (b *behaviour) Up(ctx actor.Context) {
	if g := b.link.greeting; !g.done() {
		g.begin(b.link)
		if g.theirs == nil || !g.judge(b.link) { // an actor crashed while it checked the status: check it again
			return
		}
	}
	b.greet(ctx)
}

// greet sends LinkUp to the actor.
func (b *behaviour) greet(ctx actor.Context) {
	b.link.service.join(b.link.Shared())
	up := &LinkUp{Link: b.link, Restarted: b.link.greeted}
	b.link.greeted = true
	b.deliver(ctx, up, time.Time{})
	b.expireMissed(ctx)
}

func (b *behaviour) Message(ctx actor.Context, in actors.Inbound) error {
	set := b.link.set
	if in.Code >= uint64(len(set.messages)) || set.messages[in.Code].kind == unused {
		return fmt.Errorf("message 0x%02x is not defined in %s", in.Code, set.label)
	}
	if g := b.link.greeting; g != nil {
		if err := g.inPlace(in.Code, set.label); err != nil {
			return err
		}
	}
	m := &set.messages[in.Code]
	if err := m.fits(in.Size); err != nil { // it is not decompressed
		return b.decodeError(in.Code, m, err)
	}
	switch m.kind {
	case typed:
		if m.answers != nil && b.link.greeting.done() {
			return b.answer(ctx, in, m)
		}
		v, err := m.open(in.Payload)
		if err != nil {
			return b.decodeError(in.Code, m, err)
		}
		if g := b.link.greeting; !g.done() {
			g.theirs = v
			if g.judge(b.link) {
				b.greet(ctx)
			}
			return nil
		}
		b.receive(ctx, v, in.ReceivedAt, len(in.Payload), true)
	case raw:
		b.raw = RawMessage{Code: in.Code, Payload: in.Payload, ReceivedAt: in.ReceivedAt}
		b.receive(ctx, &b.raw, in.ReceivedAt, len(in.Payload), true)
		b.raw = RawMessage{}
	}
	return nil
}

func (b *behaviour) decodeError(code uint64, m *Message, err error) error {
	link := b.link.host.Link()
	id := wire.NodeID(link.RemoteID())
	return &DecodeError{
		Protocol: b.link.set.label, Code: code, Type: m.name(), Err: err,
		Peer: hex.EncodeToString(id[:8]) + "@" + link.RemoteAddr().String(),
	}
}

func (b *behaviour) Drained(ctx actor.Context) {
	if b.link.greeting.done() {
		b.deliver(ctx, &Drained{}, time.Time{})
	}
}

func (b *behaviour) Down(ctx actor.Context, cause *actors.Cause) {
	if b.link.greeting.end() {
		defer b.link.service.leave(b.link.Shared(), cause)         // after the actor's last message
		defer b.deliver(ctx, &LinkDown{Cause: cause}, time.Time{}) // even if the calls before it panic
		b.failAll(ctx)
	}
}

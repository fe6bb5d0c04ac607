package protocols

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// What a behaviour does with answers: all of it in the turn of the link's actor.

// answer brings an answer to its request, if that waits.
func (b *behaviour) answer(ctx actor.Context, in actors.Inbound, m *Message) error {
	id, err := requestID(in.Payload)
	if err != nil {
		return b.decodeError(in.Code, m, err)
	}
	asks := b.link.asks
	p := asks.find(id)
	if p == nil {
		return nil
	}
	if p.answerCode != in.Code {
		return fmt.Errorf("message 0x%02x of %s answers request %d, %T, which wants 0x%02x", in.Code, b.link.set.label, id, p.request, p.answerCode)
	}
	v, err := m.open(in.Payload)
	if err != nil {
		return b.decodeError(in.Code, m, err)
	}
	if p = asks.answered(id, in.ReceivedAt); p != nil {
		b.resolve(ctx, p, v, nil, in.ReceivedAt)
	}
	return nil
}

// expire ends a request whose time is over.
func (b *behaviour) expire(ctx actor.Context, id uint64) {
	if p := b.link.asks.timedOut(id); p != nil {
		b.resolve(ctx, p, nil, fmt.Errorf("%w: waited %v", ErrAskTimeout, p.timeout), time.Time{})
	}
}

// expireMissed ends requests whose time was over while there was no actor: what their
// timers said was lost with its mailbox.
func (b *behaviour) expireMissed(ctx actor.Context) {
	for _, id := range b.link.asks.expired(b.link.host.Clock().Now()) {
		b.expire(ctx, id)
	}
}

// failAll ends what waits when the link has ended.
func (b *behaviour) failAll(ctx actor.Context) {
	for _, p := range b.link.asks.close() {
		b.resolve(ctx, p, nil, ErrLinkDown, time.Time{})
	}
}

// resolve tells whoever asked.
func (b *behaviour) resolve(ctx actor.Context, p *pending, answer any, err error, at time.Time) {
	switch {
	case p.done != nil:
		p.done <- result{answer: answer, err: err} // has room: a request ends once
	case p.then != nil:
		b.ctx = messageContext{Context: ctx, message: answer, at: at, ofLink: true}
		p.then(answer, err)
		b.ctx = messageContext{Context: ctx}
	case err != nil:
		b.deliver(ctx, &AskFailed{ID: p.id, Request: p.request, Err: err}, at)
	default:
		b.deliver(ctx, answer, at)
	}
}

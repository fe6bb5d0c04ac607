package protocols

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// These methods handle answers, all in the turn of the link's actor.

// answer passes an answer to its request, if that is waiting.
func (b *behaviour) answer(ctx actor.Context, in actors.Inbound, m *Message) error {
	id, err := requestID(in.Payload)
	if err != nil {
		return b.decodeError(in.Code, m, err)
	}
	asks := b.link.asks
	p, err := asks.find(id)
	if err != nil {
		return fmt.Errorf("message 0x%02x of %s: %w", in.Code, b.link.set.label, err)
	}
	if p == nil {
		return nil
	}
	if p.answerCode != in.Code {
		return fmt.Errorf("message 0x%02x of %s answers request %d, %T, which expects 0x%02x", in.Code, b.link.set.label, id, p.request, p.answerCode)
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

// expire ends a request whose timeout has passed.
func (b *behaviour) expire(ctx actor.Context, id uint64) {
	if p := b.link.asks.timedOut(id); p != nil {
		b.resolve(ctx, p, nil, fmt.Errorf("%w: waited %v", ErrAskTimeout, p.timeout), time.Time{})
	}
}

// expireMissed ends requests whose timeout passed while there was no actor: the messages of their
// timers were lost with its mailbox.
func (b *behaviour) expireMissed(ctx actor.Context) {
	for _, id := range b.link.asks.expired(b.link.host.Clock().Now()) {
		b.expire(ctx, id)
	}
}

// failAll ends all waiting requests when the link has ended.
func (b *behaviour) failAll(ctx actor.Context) {
	for _, p := range b.link.asks.close() {
		b.resolve(ctx, p, nil, ErrLinkDown, time.Time{})
	}
}

// resolve reports the outcome of a request to its sender.
func (b *behaviour) resolve(ctx actor.Context, p *pending, answer any, err error, at time.Time) {
	switch {
	case p.done != nil:
		p.done <- result{answer: answer, err: err} // never blocks: the channel has room for one, and a request ends once
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

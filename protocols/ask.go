package protocols

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DefaultAskTimeout is how long an answer is waited for.
const DefaultAskTimeout = 15 * time.Second

// DefaultAsks is how many requests of a link may wait for their answers at once.
const DefaultAsks = 64

// ErrTooManyAsks refuses an Ask because as many requests as [Limits] allow wait for
// their answers. Nothing was sent. There is room after the next answer or time-out.
var ErrTooManyAsks = errors.New("too many requests wait for their answers")

// ErrAskTimeout is the end of a request whose answer did not come in time. An answer
// that comes later is dropped and counted.
var ErrAskTimeout = errors.New("no answer in time")

// AskFailed is what an actor gets in the place of the answer to a [Link.Ask].
type AskFailed struct {
	ID      uint64
	Request any   // as it was sent, a pointer
	Err     error // ErrAskTimeout, or ErrLinkDown
}

// AskOption says more about one request.
type AskOption func(*pending)

// Within is how long this answer is waited for, instead of [DefaultAskTimeout].
func Within(d time.Duration) AskOption { return func(p *pending) { p.timeout = d } }

// Ask sends a request, a value of a type for which another message has the option
// [Answers], or a pointer to one. It is sent with a request ID of its own in its first
// field, which is returned; the caller's value is not changed. The answer is delivered
// to the link's actor as the typed message that it is, or else a *[AskFailed], also
// when the actor was restarted meanwhile. It never waits. Errors, with which nothing
// was sent: those of [Link.Send], [ErrTooManyAsks].
func (l *Link) Ask(request any, opts ...AskOption) (id uint64, err error) {
	return l.ask(request, nil, &pending{}, opts)
}

// AskThen is [Link.Ask] whose answer goes to a continuation instead: it is called once,
// in the turn of the link's actor, with the answer or an error, [ErrAskTimeout] or
// [ErrLinkDown]. A panic in it is the actor's. It belongs to the actor's life: after a
// crash it is never called, and its answer is dropped.
func AskThen[A any](l *Link, request any, then func(answer *A, err error), opts ...AskOption) (id uint64, err error) {
	return l.ask(request, new(A), &pending{then: func(answer any, err error) {
		a, _ := answer.(*A)
		then(a, err)
	}}, opts)
}

// Call is an Ask that waits for the answer, for goroutines that are no actors: an
// actor would wait for itself. It sends by [Link.Shared]. Errors beyond those of [Link.Ask] are [ErrAskTimeout],
// [ErrLinkDown], and the cause of ctx, whose end cancels the request.
func Call[A any](ctx context.Context, l *Link, request any, opts ...AskOption) (*A, error) {
	p := &pending{done: make(chan result, 1)}
	id, err := l.Shared().ask(request, new(A), p, opts)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-p.done:
		a, _ := r.answer.(*A)
		return a, r.err
	case <-ctx.Done():
		l.Cancel(id)
		return nil, context.Cause(ctx)
	case <-l.Context().Done():
		l.Cancel(id)
		select {
		case r := <-p.done: // it came before the end
			a, _ := r.answer.(*A)
			return a, r.err
		default:
			return nil, ErrLinkDown
		}
	}
}

// Cancel forgets a request: nobody is told anything of it any more, and its answer is
// dropped. False means that it had its answer, or has failed.
func (l *Link) Cancel(id uint64) bool { return l.asks.take(id) != nil }

// AskStats counts the requests of a link, over restarts.
type AskStats struct {
	InFlight int // wait for their answers
	Asked    uint64
	Answered uint64
	TimedOut uint64
	Late     uint64 // answers to requests that had an answer, had failed or were cancelled; dropped
	Unasked  uint64 // answers to requests that were never sent; dropped

	// From a request to the arrival of its answer: the last one, and smoothed over
	// the last eight or so. Zero before the first.
	LastLatency, Latency time.Duration
}

// AskStats tells how the remote answers.
func (l *Link) AskStats() AskStats { return l.asks.count() }

// ask registers p and sends the request. Sample is a pointer to the type of answer that
// the caller wants, nil if any is good.
func (l *Link) ask(request, sample any, p *pending, opts []AskOption) (uint64, error) {
	rule, err := l.set.askRule(request, sample)
	if err != nil {
		return 0, err
	}
	p.timeout = DefaultAskTimeout
	for _, opt := range opts {
		opt(p)
	}
	if p.timeout <= 0 {
		return 0, fmt.Errorf("ask %T of %s: a time-out of %v", request, l.set.label, p.timeout)
	}
	clock := l.host.Clock()
	p.asked = clock.Now()
	if err := l.asks.open(p, rule, request); err != nil {
		return 0, err
	}
	if err := l.Send(p.request); err != nil {
		l.asks.abandon(p.id)
		return 0, err
	}
	timer := clock.AfterFunc(p.timeout, func() { l.host.Tell(&askOverdue{id: p.id}) })
	return p.id, l.asks.arm(p, timer)
}

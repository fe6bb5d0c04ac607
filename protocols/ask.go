package protocols

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DefaultAskTimeout is how long a request waits for its answer by default.
const DefaultAskTimeout = 15 * time.Second

// DefaultAsks is how many requests of a link may be unanswered at once by default.
const DefaultAsks = 64

// ErrTooManyAsks is returned by an Ask when as many requests as [Limits] allow are unanswered.
// Nothing was sent. The next answer or timeout makes room.
var ErrTooManyAsks = errors.New("too many unanswered requests")

// ErrAskTimeout is the error of a request whose answer did not arrive in time. A later answer is
// dropped and counted.
var ErrAskTimeout = errors.New("no answer in time")

// ErrUnasked is in the cause of a link that ended for [Spec.OnlyAsked].
var ErrUnasked = errors.New("an answer to no request")

// AskFailed is what an actor receives instead of the answer to a [Link.Ask].
type AskFailed struct {
	ID      uint64
	Request any   // as it was sent, a pointer
	Err     error // ErrAskTimeout, or ErrLinkDown
}

// AskOption is an option of one request.
type AskOption func(*pending)

// Within sets how long to wait for this answer, instead of [DefaultAskTimeout].
func Within(d time.Duration) AskOption { return func(p *pending) { p.timeout = d } }

// Ask sends a request: a value, or a pointer to one, of a type for which another message has the
// option [Answers]. Ask puts a new request ID into the first field of a copy, and returns the ID;
// the caller's value is not changed. The link's actor receives the answer as a typed message, or
// else an *[AskFailed], even if the actor was restarted in between. Ask never blocks. Errors,
// with which nothing was sent: those of [Link.Send], and [ErrTooManyAsks].
func (l *Link) Ask(request any, opts ...AskOption) (id uint64, err error) {
	return l.ask(request, nil, &pending{}, opts)
}

// AskThen is [Link.Ask] with a continuation for the answer: then is called once, in the turn of
// the link's actor, with the answer or an error, [ErrAskTimeout] or [ErrLinkDown]. A panic in it
// is the actor's. The continuation belongs to one incarnation of the actor: after a crash it is
// never called, and its answer is dropped.
func AskThen[A any](l *Link, request any, then func(answer *A, err error), opts ...AskOption) (id uint64, err error) {
	return l.ask(request, new(A), &pending{then: func(answer any, err error) {
		a, _ := answer.(*A)
		then(a, err)
	}}, opts)
}

// Call is an Ask that waits for the answer. It is for goroutines outside actors: an actor would
// block itself. It sends by [Link.Shared]. Its errors are those of [Link.Ask], [ErrAskTimeout],
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
		case r := <-p.done: // the answer arrived before ctx ended
			a, _ := r.answer.(*A)
			return a, r.err
		default:
			return nil, ErrLinkDown
		}
	}
}

// Cancel drops a request: its outcome is not reported, and its answer is dropped. It returns
// false when the request was answered or has failed already.
func (l *Link) Cancel(id uint64) bool { return l.asks.cancel(id) }

// AskStats counts the requests of a link, across restarts.
type AskStats struct {
	InFlight int // unanswered requests
	Asked    uint64
	Answered uint64
	TimedOut uint64
	Late     uint64 // answers to requests that were answered, had failed or were cancelled; dropped
	Unasked  uint64 // answers to requests that were never sent; dropped

	// The time from a request to the arrival of its answer: the last one, and an average over
	// about the last eight. Zero before the first.
	LastLatency, Latency time.Duration
}

// AskStats returns the request counters of the link.
func (l *Link) AskStats() AskStats { return l.asks.count() }

// ask registers p and sends the request. sample is a pointer to the type of answer that the
// caller expects, or nil for any type.
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
	p.asked = l.host.Clock().Now()
	if err := l.asks.open(p, rule, request); err != nil {
		return 0, err
	}
	if err := l.Send(p.request); err != nil {
		l.asks.abandon(p.id)
		return 0, err
	}
	timer := l.host.AfterFunc(p.timeout, func() { l.host.Tell(&askOverdue{id: p.id}) })
	return p.id, l.asks.arm(p, timer)
}

package protocols

import (
	"context"
	"errors"

	"github.com/asynkron/protoactor-go/actor"
)

// FromRun returns the Spec with an actor that is written as one blocking function, which reads
// and writes until the conversation is over: the style of go-ethereum. run is called once for
// each link, in its own goroutine. ctx ends with the link, and run should return then.
//
// The return of run ends the link: nil with [DiscQuitting]; an error that wraps a [DiscReason]
// with that reason; any other error, or a panic, with [DiscSubprotocolError]. run is never
// started again, whatever Restart says, because a conversation cannot be restarted in the middle:
// the Spec that FromRun returns is [Temporary]. The same holds for goroutines that run starts
// with [ReadWriter.Go].
func FromRun(s Spec, run func(ctx context.Context, rw *ReadWriter) error) Spec {
	s.Restart = Temporary
	s.New = func() actor.Actor { return &runner{run: run} }
	return s
}

// runner is the actor around one call of run.
type runner struct {
	run func(context.Context, *ReadWriter) error
	rw  *ReadWriter
}

// runReturned is sent to the runner by the goroutine that ran run.
type runReturned struct{ err error }

// readOn is sent to the runner by a Read that has made room.
type readOn struct{}

func (r *runner) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *LinkUp:
		r.start(msg.Link)
	case *Drained:
		r.rw.drained()
	case *readOn:
		r.rw.link.host.Hold(false)
	case *runReturned:
		r.end(ctx, msg.err)
	case *LinkDown:
		close(r.rw.down) // Write detects it itself
	default:
		r.take(ctx)
	}
}

func (r *runner) start(l *Link) {
	r.rw = newReadWriter(l)
	rw := r.rw // for the goroutine
	l.host.Go(func() { l.host.Tell(&runReturned{err: r.run(l.Context(), rw)}) })
}

// take passes a message of the remote to Read.
func (r *runner) take(ctx actor.Context) {
	c, ok := ctx.(*messageContext)
	if !ok || !c.ofLink {
		return // from another actor, or a lifecycle message
	}
	if full := r.rw.put(kept(c.message), c.size); full {
		r.rw.link.host.Hold(true)
	}
}

// end ends the link as go-ethereum does when a protocol returns.
func (r *runner) end(ctx actor.Context, err error) {
	if err == nil {
		ctx.Stop(ctx.Self())
		return
	}
	reason := DiscSubprotocolError
	errors.As(err, &reason)
	r.rw.link.DisconnectWithError(reason, err)
}

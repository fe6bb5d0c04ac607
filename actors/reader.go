package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// reader owns the goroutine that blocks in reads. It is temporary: cipher state cannot be
// resumed, so the link ends when the reader ends, for whatever reason.
type reader struct {
	link *Link
	pump *pump
}

// Receive starts the goroutine. A panic there arrives as a *Crash, with which the guard panics
// here.
func (r *reader) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actor.Started); ok {
		r.launch(ctx.Self())
	}
}

// launch starts a goroutine that reads. It ends with the link, or when the link has become quiet or
// is new: then the source waits without a goroutine until something arrives. If it cannot, a new
// goroutine waits, whose stack has not grown.
func (r *reader) launch(self *actor.PID) {
	pump, src := r.pump, r.link.src
	supervise.Go(r.link.root, self, func() {
		if pump.quiet {
			src.await()
			pump.quiet = false
		}
		if r.pumpOnce(pump) {
			return
		}
		if !src.park(func() { r.pump.quiet = false; r.launch(self) }) {
			r.launch(self)
			return
		}
		if r.link.Cause() != nil { // end may have come before park
			src.unpark()
		}
	})
}

// pumpOnce runs the pump. over is false when the link has become quiet or is new, and true when it has
// ended and nothing is left to read.
func (r *reader) pumpOnce(pump *pump) (over bool) {
	over = true
	defer func() { // also if it panics
		if over {
			r.link.unread.close()
		}
	}()
	cause := pump.run()
	if cause == nil {
		over = false
		return over
	}
	r.link.end(cause)
	if cause.Side == Local {
		pump.drain() // the Disconnect is not sent yet, and the remote may go on sending meanwhile
	}
	return over
}

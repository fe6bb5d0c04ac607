package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// reader owns the goroutine that blocks in reads. It is temporary: cipher state
// can't be resumed, so when it ends, for whatever reason, the link ends.
type reader struct {
	link *Link
	pump *pump
}

// Receive starts the goroutine. A panic there arrives as a *Crash, with which the
// guard panics here.
func (r *reader) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actor.Started); ok {
		r.launch(ctx.Self())
	}
}

// launch starts a goroutine that reads. It ends with the link, or when the link
// has become quiet: then another one takes its place and waits. A goroutine keeps
// the stack that it has grown, and a fresh one has half of it.
func (r *reader) launch(self *actor.PID) {
	pump := r.pump
	Go(r.link.root, self, func() {
		if pump.quiet {
			pump.src.await()
			pump.quiet = false
		}
		if cause := r.pumpOnce(pump); cause != nil {
			r.link.end(cause)
			return
		}
		r.launch(self)
	})
}

// pumpOnce runs the pump. Nil means that the link has become quiet.
func (r *reader) pumpOnce(pump *pump) (cause *Cause) {
	over := true
	defer func() { // also if it panics
		if over {
			close(r.link.unread)
		}
	}()
	cause = pump.run()
	over = cause != nil
	return cause
}

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
	if _, ok := ctx.Message().(*actor.Started); !ok {
		return
	}
	pump := r.pump
	r.pump = nil
	Go(r.link.root, ctx.Self(), func() {
		defer close(r.link.unread)
		r.link.end(pump.run())
	})
}

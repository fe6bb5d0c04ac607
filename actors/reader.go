package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// reader owns the goroutine that blocks in reads. It is temporary: cipher state
// can't be resumed, so when it ends, for whatever reason, the link ends.
type reader struct {
	link *Link
}

// Receive takes the goroutine's report. A panic in the goroutine arrives as a
// *Crash, with which the guard panics here.
func (r *reader) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		pump := newPump(r.link)
		self, root := ctx.Self(), r.link.root
		Go(root, self, func() {
			defer close(r.link.unread)
			Send(root, self, &readerEnded{cause: pump.run()})
		})
	case *readerEnded:
		Send(ctx, r.link.pid, msg)
	}
}

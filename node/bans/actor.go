package bans

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// retryEvery is the pause after a failure. Meanwhile each change is an attempt, too.
const retryEvery = time.Minute

// writer writes the bans to their file. Writing is its only work, so it may block. What is
// written, and the answers to those that wait, are the ledger's, because it outlives the actor.
type writer struct {
	Config
	retry supervise.Timer // nil: no attempt is due
}

func (w *writer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		w.Ledger.try()
		w.save(ctx, true)
	case *Changed:
		w.save(ctx, false)
	case *retryDue:
		w.retry = nil
		w.save(ctx, true)
	case *actor.Restarting:
		w.stopRetry()
	case *actor.Stopping:
		w.Ledger.Save(true)
		w.stopRetry()
	case *supervise.Resumed:
		if msg.Jump != 0 {
			w.Ledger.change()
			w.save(ctx, false)
		}
	}
}

// save writes the bans if they have changed. again says to write also what an earlier attempt
// could not.
func (w *writer) save(ctx actor.Context, again bool) {
	if !w.Ledger.Save(again) && w.retry == nil {
		w.retry = w.Runtime.After(retryEvery, ctx.Self(), &retryDue{})
	}
}

func (w *writer) stopRetry() {
	if w.retry != nil {
		w.retry.Stop()
	}
}

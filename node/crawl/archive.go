package crawl

import (
	"database/sql"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// batchSize is the maximum number of entries per transaction. batchTime is how long the
	// first entry waits for others. Each transaction costs one synchronous disk write.
	batchSize = 256
	batchTime = 500 * time.Millisecond
)

// record is an entry for the database: a finding or a report.
type record interface{ write(*sql.Tx) error }

// archive writes to the database. Pending entries survive a crash.
type archive struct {
	*shared
	timer supervise.Timer // nil: no entry is pending
}

// pending is the entries that are not yet written.
type pending struct {
	entries []record
	from    *actor.PID
}

func (a *archive) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.flush(ctx) // writes the pending entries of an earlier incarnation
	case *keep:
		a.keep(ctx, msg)
	case *flush:
		a.flush(ctx)
	case *closeArchive:
		a.flush(ctx)
		ctx.Stop(ctx.Self())
	case *actor.Stopping, *actor.Restarting:
		a.stopTimer()
	}
}

func (a *archive) keep(ctx actor.Context, msg *keep) {
	a.pending.entries, a.pending.from = append(a.pending.entries, msg.entry), msg.from
	switch {
	case len(a.pending.entries) >= batchSize:
		a.flush(ctx)
	case a.timer == nil:
		root, self := ctx.ActorSystem().Root, ctx.Self()
		a.timer = a.Clock.AfterFunc(batchTime, func() { supervise.Send(root, self, &flush{}) })
	}
}

func (a *archive) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// flush writes the pending entries in one transaction. If that fails, it drops them and the
// crawl ends.
func (a *archive) flush(ctx actor.Context) {
	a.stopTimer()
	entries := a.pending.entries
	if len(entries) == 0 {
		return
	}
	a.pending.entries = nil
	a.unsaved.Add(-int64(len(entries))) // also if the transaction fails
	err := a.store.within(func(tx *sql.Tx) error {
		for _, e := range entries {
			if err := e.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		supervise.Send(ctx, ctx.Parent(), &writeFailed{err: err})
		return
	}
	supervise.Send(ctx, a.pending.from, &kept{})
}

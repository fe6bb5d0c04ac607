package crawl

import (
	"database/sql"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// batchSize is how many entries are written at once, batchTime how long the first of
	// them waits for others: each transaction costs a turn of the disk.
	batchSize = 256
	batchTime = 500 * time.Millisecond
)

// record is what goes into the database: a sighting or a report.
type record interface{ write(*sql.Tx) error }

// archive writes to the database. What waits outlives a crash.
type archive struct {
	*shared
	timer supervise.Timer // nil: nothing waits
}

// pending is what waits to be written.
type pending struct {
	entries []record
	from    *actor.PID
}

func (a *archive) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.flush(ctx) // what an incarnation before has left
	case *keep:
		a.keep(ctx, msg)
	case *flush:
		a.flush(ctx)
	case *closeArchive:
		a.flush(ctx)
		ctx.Stop(ctx.Self())
	case *actor.Stopping, *actor.Restarting:
		a.quiet()
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

func (a *archive) quiet() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// flush writes what waits, in one transaction. What can't be written is dropped: the
// crawl ends over it.
func (a *archive) flush(ctx actor.Context) {
	a.quiet()
	entries := a.pending.entries
	if len(entries) == 0 {
		return
	}
	a.pending.entries = nil
	a.unsaved.Add(-int64(len(entries))) // whatever becomes of them
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

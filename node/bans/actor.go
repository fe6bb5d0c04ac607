package bans

import "github.com/asynkron/protoactor-go/actor"

// writer writes the bans to their file. Writing is its only work, so it may block. The ledger
// counts the writes, because it outlives the actor.
type writer struct{ Config }

func (w *writer) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started, *Changed, *actor.Stopping:
		w.save()
	}
}

func (w *writer) save() {
	if w.File == "" {
		return
	}
	list, changes, changed := w.Ledger.unsaved()
	if !changed {
		return
	}
	err := write(w.File, list)
	w.Ledger.wrote(changes, err)
	if err != nil {
		// The actor tries again after the next change, and when the node stops.
		w.Logger.Warn("writing the bans failed", "err", err)
	}
}

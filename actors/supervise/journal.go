package supervise

import (
	"context"
	"log/slog"
	"time"
)

// The lifecycle steps that the journal records.
const (
	Started   = "started"
	Failed    = "failed"
	Restarted = "restarted"
	Returned  = "returned"
	Stopped   = "stopped"
	GaveUp    = "gave_up"
)

// Step is one lifecycle step of one actor. Fields that a step does not have are zero.
type Step struct {
	Time     time.Time
	Actor    string // the actor's path, see [Path]
	Event    string // one of the steps above
	Reason   string
	Restarts int           // how often the actor was restarted so far
	Backoff  time.Duration // wait before the restart that follows a failure
	Stack    string        // of a failure

	Protocol  string // name/version, for protocols
	Peer      string // for actors of a link: the first bytes of the remote's node ID in hex, as in the actor's name, and its address
	Direction string // "inbound" or "outbound", for actors of a link
	Injected  bool   // an operator requested it

	Attrs []slog.Attr // further attributes, for events that not every actor has

	Quiet   bool // logged at debug level only
	Outside bool // caused outside this program, such as by a router: at most a warning
}

// Journal receives every lifecycle step, writes it to the log and passes it to its observers. A nil *Journal drops everything.
type Journal struct {
	log       *slog.Logger
	observers []func(Step)
}

// NewJournal returns a journal. The observers run in the actor whose step it is: they must
// neither block nor panic.
func NewJournal(log *slog.Logger, observers ...func(Step)) *Journal {
	return &Journal{log: log, observers: observers}
}

// Record writes one step.
func (j *Journal) Record(e Step) {
	if j == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	for _, observe := range j.observers {
		observe(e)
	}
	level := e.level()
	if j.log == nil || !j.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("actor", e.Actor), slog.String("event", e.Event))
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("protocol", e.Protocol)
	text("peer", e.Peer)
	text("direction", e.Direction)
	text("reason", e.Reason)
	if e.Restarts > 0 || e.Event == Failed || e.Event == Restarted || e.Event == GaveUp && !e.Outside {
		attrs = append(attrs, slog.Int("restarts", e.Restarts))
	}
	if e.Event == Failed || e.Event == Restarted {
		attrs = append(attrs, slog.Duration("backoff", e.Backoff))
	}
	if e.Injected {
		attrs = append(attrs, slog.Bool("injected", true))
	}
	attrs = append(attrs, e.Attrs...)
	text("stack", e.Stack)
	j.log.LogAttrs(context.Background(), level, "actor "+e.Event, attrs...)
}

// level follows from what the operator should do: a crash is a bug to report; a restart, and a
// router that refuses a request, are worth a warning; the start and stop of children are details.
func (e Step) level() slog.Level {
	switch {
	case e.Quiet:
		return slog.LevelDebug
	case e.Injected, e.Outside && e.Event == GaveUp:
		return slog.LevelWarn
	case e.Event == Failed, e.Event == GaveUp:
		return slog.LevelError
	case e.Event == Restarted:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

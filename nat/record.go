package nat

import (
	"log/slog"
	"net/netip"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// The event names in the actor's log, in addition to those of every actor.
const (
	eventMapped       = "mapped"
	eventRenewed      = "renewed"
	eventLost         = "lost"
	eventMoved        = "moved"
	eventGaveUp       = supervise.GaveUp
	eventNoRouter     = "no_router"     // not an error: many nodes need no router
	eventListenFailed = "listen_failed" // router announcements can't be received; everything else works
)

// record is one line of the actor's log.
type record struct {
	event    string
	method   Method
	router   Router
	words    string     // what happened
	err      error      // why; carries the router's code and its meaning
	from, to netip.Addr // of moved
}

// logged returns r as a journal step. The text is its reason; the values that an operator may
// search for (router, code) are attributes.
func (r record) logged() supervise.Step {
	e := supervise.Step{Event: r.event, Reason: r.words, Outside: true, Quiet: r.event == eventRenewed || r.event == eventListenFailed}
	router, words := r.router.String(), ""
	if r.err != nil {
		words = r.err.Error()
	}
	code := 0
	if own, ok := asError(r.err); ok {
		code, words = own.Code, own.Words
		if own.Op != "" {
			words = own.Op + ": " + own.Words
		}
		if router == "" {
			r.method, router = own.Method, own.Router
		}
	}
	text := func(key, value string) {
		if value != "" {
			e.Attrs = append(e.Attrs, slog.String(key, value))
		}
	}
	text("method", string(r.method))
	text("router", router)
	if r.from.IsValid() {
		text("from", r.from.String())
	}
	if r.to.IsValid() {
		text("to", r.to.String())
	}
	if code != 0 {
		e.Attrs = append(e.Attrs, slog.Int("code", code))
	}
	text("words", words)
	return e
}

// record writes r to the actor's log.
func (a *leaser) record(r record) {
	e := r.logged()
	e.Time, e.Actor = a.Clock.Now(), supervise.Path(a.self)
	a.Journal.Record(e)
}

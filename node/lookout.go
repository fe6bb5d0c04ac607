package node

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/troupe-p2p/troupe/node/refusal"
)

const (
	// fewPeers is how many dialed peers are enough not to speak of the search any more.
	fewPeers = 3
	// The search is spoken of after lookoutFirst, then after twice that, up to lookoutLast.
	lookoutFirst = 10 * time.Second
	lookoutLast  = 10 * time.Minute
)

// dialStats counts what the search for peers comes to.
type dialStats struct {
	candidates int // that were offered
	dialed     int // static nodes too
	linked     int
	punched    int            // of linked, through holes
	failed     [numCauses]int // dials, and links that we dialed
	passed     map[string]int // candidates that were not dialed, by reason
}

func (s *dialStats) ended(cause dialCause) {
	if cause == causeNone {
		s.linked++
	} else {
		s.failed[cause]++
	}
}

func (s *dialStats) passOver(why error) {
	if s.passed == nil {
		s.passed = map[string]int{}
	}
	if errors.Is(why, refusal.ErrBanned) {
		why = refusal.ErrBanned // without the reason, of which there may be many
	}
	s.passed[why.Error()]++
}

// attrs puts the counts in the terms of the log: what is zero is left out.
func (s *dialStats) attrs() []any {
	list := []any{"candidates", s.candidates, "dialed", s.dialed, "linked", s.linked}
	if s.punched > 0 {
		list = append(list, "punched", s.punched)
	}
	var failed, passed []any
	for cause, n := range s.failed {
		if n > 0 {
			failed = append(failed, slog.Int(dialCause(cause).String(), n))
		}
	}
	var reasons []string
	for why := range s.passed {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		passed = append(passed, slog.Int(strings.ReplaceAll(why, " ", "_"), s.passed[why]))
	}
	return append(list, slog.Group("failed", failed...), slog.Group("passed_over", passed...))
}

// lookout says when to tell the operator that the node looks for peers. It is a plain
// value.
type lookout struct {
	next     time.Time // zero: not looking
	interval time.Duration
}

// due says whether to tell now, for a node that is looking or has enough.
func (l *lookout) due(looking bool, now time.Time) bool {
	switch {
	case !looking:
		*l = lookout{}
		return false
	case l.next.IsZero():
		l.interval = lookoutFirst
		l.next = now.Add(l.interval)
		return false
	case now.Before(l.next):
		return false
	}
	l.interval = min(2*l.interval, lookoutLast)
	l.next = now.Add(l.interval)
	return true
}

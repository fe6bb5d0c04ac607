package dial

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/node/refusal"
)

const (
	// fewPeers is the number of dialed peers at which the reports of the search end.
	fewPeers = 3
	// The search is reported after reportFirst, then after twice that, up to reportLast.
	reportFirst = 10 * time.Second
	reportLast  = 10 * time.Minute
)

// State is the current work of the dialer, and its counters since the node was made. The
// counters only grow.
type State struct {
	UnderWay, Waiting, Static int // dials in progress, candidates that wait, and static nodes

	Candidates uint64            // received from sources
	Dialed     uint64            // dials, including those to static nodes
	Linked     uint64            // dials that became a link
	Punched    uint64            // of Linked, those made by hole punching
	Failed     map[string]uint64 // dials, and links that we dialed, by outcome
	PassedOver map[string]uint64 // candidates that were not dialed, by reason
}

// stats is a State that its owner changes while other goroutines read it.
type stats struct {
	mu    sync.Mutex
	state State
}

func (s *stats) snapshot() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state
	c.Failed, c.PassedOver = maps.Clone(c.Failed), maps.Clone(c.PassedOver)
	return c
}

func (s *stats) change(edit func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.state)
}

func (s *stats) addCandidate() { s.change(func(c *State) { c.Candidates++ }) }
func (s *stats) addDialed()    { s.change(func(c *State) { c.Dialed++ }) }
func (s *stats) addPunched()   { s.change(func(c *State) { c.Punched++ }) }

func (s *stats) setGauges(underWay, waiting, static int) {
	s.change(func(c *State) { c.UnderWay, c.Waiting, c.Static = underWay, waiting, static })
}

// ended counts the end of a dial, or of a link that we dialed.
func (s *stats) ended(o outcome) {
	s.change(func(c *State) {
		if o == outcomeLinked {
			c.Linked++
			return
		}
		count(&c.Failed, o.String())
	})
}

// skip counts a candidate that is not dialed.
func (s *stats) skip(why error) {
	if errors.Is(why, refusal.ErrBanned) {
		why = refusal.ErrBanned // without the ban's reason, which would need many counters
	}
	s.change(func(c *State) { count(&c.PassedOver, why.Error()) })
}

func count(m *map[string]uint64, key string) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[key]++
}

// since returns the counters minus those of an earlier snapshot.
func (s State) since(base State) State {
	s.Candidates -= base.Candidates
	s.Dialed -= base.Dialed
	s.Linked -= base.Linked
	s.Punched -= base.Punched
	s.Failed, s.PassedOver = subtract(s.Failed, base.Failed), subtract(s.PassedOver, base.PassedOver)
	return s
}

func subtract(m, base map[string]uint64) map[string]uint64 {
	left := map[string]uint64{}
	for key, n := range m {
		if n -= base[key]; n > 0 {
			left[key] = n
		}
	}
	return left
}

// attrs returns the counters as log attributes. It leaves out those of Punched, Failed and
// PassedOver that are zero.
func (s State) attrs() []any {
	list := []any{"candidates", s.Candidates, "dialed", s.Dialed, "linked", s.Linked}
	if s.Punched > 0 {
		list = append(list, "punched", s.Punched)
	}
	return append(list, group("failed", s.Failed), group("passed_over", s.PassedOver))
}

func group(name string, counts map[string]uint64) slog.Attr {
	var attrs []any
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		attrs = append(attrs, slog.Uint64(strings.ReplaceAll(key, " ", "_"), counts[key]))
	}
	return slog.Group(name, attrs...)
}

// reporter decides when to log that the node looks for peers. It is a plain value.
type reporter struct {
	next     time.Time // zero: the node has enough peers
	interval time.Duration
	base     State // the counters when the search began
}

// due reports whether to log now. looking is false for a node that has enough peers.
func (r *reporter) due(looking bool, now time.Time) bool {
	switch {
	case !looking:
		r.next = time.Time{}
		return false
	case r.next.IsZero():
		r.interval = reportFirst
		r.next = now.Add(r.interval)
		return false
	case now.Before(r.next):
		return false
	}
	r.interval = min(2*r.interval, reportLast)
	r.next = now.Add(r.interval)
	return true
}

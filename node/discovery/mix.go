package discovery

import (
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// laneDepth is how many nodes of one source may be on their way: found and not yet
	// given, or being asked for their record.
	laneDepth = 16
	// freshFor is how old a find may be when it is given: longer, and its address may be
	// somebody else's.
	freshFor = 5 * time.Minute

	// A source that found restAfter nodes again, about a lookup, and nobody new between them
	// rests for restMin, and for twice as long each time, up to restMax. In a small network
	// everybody is found within seconds, and each further lookup is a hundred signatures
	// for nothing. It doesn't rest long: among a crowd of hostile nodes the few others are
	// found by going on.
	restAfter = 32
	restMin   = time.Second
	restMax   = 4 * time.Second
)

// lane is one source of nodes in one incarnation.
type lane struct {
	name   string
	finds  []find
	busy   bool          // its goroutine is searching
	asking int           // records under way
	credit chan struct{} // wakes its goroutine for one node
	tally  *tally

	again int       // nodes found again since the last one that was kept, or the last rest
	rests int       // since the last one that was kept
	until time.Time // when the rest is over
}

type find struct {
	node *enode.Node
	at   time.Time
}

// tally counts over all incarnations.
type tally struct{ found, given uint64 }

func newLane(name string, t *tally) *lane {
	return &lane{name: name, credit: make(chan struct{}, 1), tally: t}
}

// search gives the lane's goroutine credit for one node, if it has none and there is room.
// It says how long to wait before that if the lane rests.
func (l *lane) search(now time.Time) (rest time.Duration) {
	if l.busy || len(l.finds)+l.asking >= laneDepth {
		return 0
	}
	if rest = l.until.Sub(now); rest > 0 {
		return rest
	}
	l.busy = true
	l.credit <- struct{}{}
	return 0
}

func (l *lane) keep(n *enode.Node, now time.Time) {
	l.finds = append(l.finds, find{n, now})
	l.again, l.rests = 0, 0
}

// repeated takes down that the lane found somebody again.
func (l *lane) repeated(now time.Time) {
	if l.again++; l.again >= restAfter {
		l.until = now.Add(min(restMin<<min(l.rests, 10), restMax))
		l.again = 0
		l.rests++
	}
}

// mix takes from the lanes in turn, passing over those that have nothing: a slow source
// is never waited for, and a fast one can't keep it from its turn.
type mix struct {
	lanes []*lane
	turn  int
}

// take gives the next node that is fresh, and its source.
func (m *mix) take(now time.Time) (node *enode.Node, source string, ok bool) {
	for range m.lanes {
		l := m.lanes[m.turn%len(m.lanes)]
		m.turn++
		for len(l.finds) > 0 {
			f := l.finds[0]
			l.finds = l.finds[1:]
			if now.Sub(f.at) < freshFor {
				l.tally.given++
				return f.node, l.name, true
			}
		}
	}
	return nil, "", false
}

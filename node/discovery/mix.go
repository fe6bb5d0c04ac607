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
)

// lane is one source of nodes in one incarnation.
type lane struct {
	name   string
	finds  []find
	busy   bool          // its goroutine is searching
	asking int           // records under way
	credit chan struct{} // wakes its goroutine for one node
	tally  *tally
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
func (l *lane) search() {
	if !l.busy && len(l.finds)+l.asking < laneDepth {
		l.busy = true
		l.credit <- struct{}{}
	}
}

func (l *lane) keep(n *enode.Node, now time.Time) { l.finds = append(l.finds, find{n, now}) }

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

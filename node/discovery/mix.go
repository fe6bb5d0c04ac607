package discovery

import (
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// laneDepth is how many nodes of one source may be pending: found and not yet delivered, or
	// being asked for their record.
	laneDepth = 16
	// freshFor is the maximum age of a find when it is delivered: the address of an older one may
	// belong to another node.
	freshFor = 5 * time.Minute

	// A source that found restAfter known nodes in a row, which is about one lookup, rests for
	// restMin, and for twice as long each further time, up to restMax. In a small network every
	// node is found within seconds, and each further lookup costs a hundred signatures without
	// result. The rest is short because, among many hostile nodes, only further lookups find the
	// few honest ones.
	restAfter = 32
	restMin   = time.Second
	restMax   = 4 * time.Second
)

// lane is one source of nodes in one incarnation.
type lane struct {
	name   string
	finds  []find
	busy   bool          // its goroutine is searching
	asking int           // pending record requests
	credit chan struct{} // lets its goroutine search for one node
	tally  *tally

	again int       // known nodes since the last kept node or the last rest
	rests int       // rests since the last kept node
	until time.Time // end of the rest
}

type find struct {
	node *enode.Node
	at   time.Time
}

// tally contains the counts over all incarnations.
type tally struct{ found, given atomic.Uint64 }

func newLane(name string, t *tally) *lane {
	return &lane{name: name, credit: make(chan struct{}, 1), tally: t}
}

// search gives the lane's goroutine credit for one node, if it has none and there is room. If the
// lane rests, search returns the remaining rest.
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

// repeated records that the lane found a known node.
func (l *lane) repeated(now time.Time) {
	if l.again++; l.again >= restAfter {
		l.until = now.Add(min(restMin<<min(l.rests, 10), restMax))
		l.again = 0
		l.rests++
	}
}

// mix takes nodes from the lanes in turn and skips empty lanes: a slow source is never awaited, and
// a fast one can't take its turn.
type mix struct {
	lanes []*lane
	turn  int
}

// take returns the next fresh node and its source. ok is false if there is none.
func (m *mix) take(now time.Time) (node *enode.Node, source string, ok bool) {
	for range m.lanes {
		l := m.lanes[m.turn%len(m.lanes)]
		m.turn++
		for len(l.finds) > 0 {
			f := l.finds[0]
			l.finds = l.finds[1:]
			if now.Sub(f.at) < freshFor {
				l.tally.given.Add(1)
				return f.node, l.name, true
			}
		}
	}
	return nil, "", false
}

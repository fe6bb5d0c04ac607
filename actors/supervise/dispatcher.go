package supervise

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

const (
	// throughput is how many messages an actor handles before others get a turn.
	throughput = 300
	// parkedWorkers is how many goroutines wait for work at most. More than can run at once are
	// of no use, and each keeps the stack that it has grown.
	parkedWorkers = 16
)

// Dispatcher runs actors on goroutines that it reuses. protoactor's default starts a goroutine
// for each wake-up of an actor, which has to grow its stack every time: an eighth of the work of
// a small answer. The creator owns it and must close it; a closed dispatcher still works, like
// the default one.
type Dispatcher struct {
	mu     sync.Mutex
	parked []chan func()
	closed bool
}

var _ actor.Dispatcher = (*Dispatcher)(nil)

// NewDispatcher returns a dispatcher without goroutines.
func NewDispatcher() *Dispatcher { return new(Dispatcher) }

// Schedule implements actor.Dispatcher: it runs f, one turn of an actor, soon.
func (d *Dispatcher) Schedule(f func()) {
	d.mu.Lock()
	if last := len(d.parked) - 1; last >= 0 {
		// The worker that parked last has the warmest stack.
		worker := d.parked[last]
		d.parked = d.parked[:last]
		d.mu.Unlock()
		worker <- f
		return
	}
	d.mu.Unlock()
	go d.work(f)
}

// Throughput implements actor.Dispatcher.
func (d *Dispatcher) Throughput() int { return throughput }

// Close ends the parked goroutines.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, worker := range d.parked {
		close(worker)
	}
	d.parked = nil
}

// work is the loop of one goroutine. The mailbox recovers its actor's panics.
func (d *Dispatcher) work(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		if !d.park(next) {
			return
		}
		f = <-next
	}
}

func (d *Dispatcher) park(next chan func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.parked) >= parkedWorkers {
		return false
	}
	d.parked = append(d.parked, next)
	return true
}

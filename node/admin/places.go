package admin

import (
	"sync"
	"sync/atomic"
	"time"
)

// guest is a connection that has a place.
type guest interface {
	// rests returns since when the client owes the next request, or the rest of it. ok is false
	// while the node owes an answer or notifications.
	rests() (since time.Time, ok bool)
	Close() error
}

// places are the connections of a listener. When all places are taken, a connection that rests
// makes room for a new one, so that silent clients keep no other client out. Its methods are
// safe from any goroutine.
type places struct {
	most    int
	evicted *atomic.Uint64
	// changed has an entry after a place was left, or a connection began to rest.
	changed chan struct{}

	mu   sync.Mutex
	open map[guest]struct{}
}

func newPlaces(most int, evicted *atomic.Uint64) *places {
	return &places{most: most, evicted: evicted, changed: make(chan struct{}, 1), open: map[guest]struct{}{}}
}

// enter gives a connection a place. At the limit, the connection that rests longest makes room.
// If none rests, enter returns false.
func (p *places) enter(g guest) bool {
	out, ok := p.exchange(g)
	if out != nil {
		p.evicted.Add(1)
		_ = out.Close() // its client may have closed it
	}
	return ok
}

func (p *places) exchange(g guest) (out guest, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) >= p.most {
		var first time.Time
		for other := range p.open {
			if since, ok := other.rests(); ok && (out == nil || since.Before(first)) {
				out, first = other, since
			}
		}
		if out == nil {
			return nil, false
		}
		delete(p.open, out)
	}
	p.open[g] = struct{}{}
	return out, true
}

// leave frees the place of a connection that has ended. A second call changes nothing.
func (p *places) leave(g guest) {
	p.mu.Lock()
	delete(p.open, g)
	p.mu.Unlock()
	p.changes()
}

// changes reports that enter may succeed now.
func (p *places) changes() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

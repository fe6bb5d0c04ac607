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

const (
	// visit is how long a connection has the spare place for sure.
	visit = time.Second
	// placeWait is how long new connections wait for a place while all are taken.
	placeWait = 2 * time.Second
	// placeRetry is the pause between two attempts, as the end of a visit is no change.
	placeRetry = 100 * time.Millisecond
)

// places are the connections of a listener. When all places are taken, a connection that rests
// makes room for a new one, so that silent clients keep no other client out. Its methods are
// safe from any goroutine.
type places struct {
	most int
	// spare says that one place is for visits: if no connection rests, the last that got its place
	// makes room, once it has had it for a visit. So long calls and subscriptions keep no client out.
	spare   bool
	evicted *atomic.Uint64
	// changed has an entry after a place was left, or a connection began to rest.
	changed chan struct{}

	mu   sync.Mutex
	open map[guest]time.Time // when it got its place
	full time.Time           // since when new connections get no place; zero: the last one got one
}

func newPlaces(most int, spare bool, evicted *atomic.Uint64) *places {
	return &places{most: most, spare: spare, evicted: evicted, changed: make(chan struct{}, 1), open: map[guest]time.Time{}}
}

// await gives a connection a place, and waits for one. It returns false if there is none, at once
// if earlier connections have waited in vain, and when quit is closed. It has one caller at a time.
func (p *places) await(g guest, quit <-chan struct{}) bool {
	for !p.enter(g, time.Now()) {
		if p.hopeless(time.Now()) {
			return false
		}
		retry := time.NewTimer(placeRetry)
		select {
		case <-p.changed:
		case <-retry.C:
		case <-quit:
			retry.Stop()
			return false
		}
		retry.Stop()
	}
	return true
}

// enter gives a connection a place. At the limit, the connection that rests longest makes room.
// If none can, enter returns false.
func (p *places) enter(g guest, now time.Time) bool {
	out, ok := p.exchange(g, now)
	if out != nil {
		p.evicted.Add(1)
		_ = out.Close() // its client may have closed it
	}
	return ok
}

func (p *places) exchange(g guest, now time.Time) (out guest, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) >= p.most {
		if out = p.resting(); out == nil && p.spare {
			out = p.visitor(now)
		}
		if out == nil {
			if p.full.IsZero() {
				p.full = now
			}
			return nil, false
		}
		delete(p.open, out)
	}
	p.full = time.Time{}
	p.open[g] = now
	return out, true
}

// resting returns the connection that rests longest, nil if none does.
func (p *places) resting() (out guest) {
	var first time.Time
	for g := range p.open {
		if since, ok := g.rests(); ok && (out == nil || since.Before(first)) {
			out, first = g, since
		}
	}
	return out
}

// visitor returns the connection that got its place last, nil while its visit lasts.
func (p *places) visitor(now time.Time) (out guest) {
	var last time.Time
	for g, since := range p.open {
		if out == nil || since.After(last) {
			out, last = g, since
		}
	}
	if now.Sub(last) < visit {
		return nil
	}
	return out
}

// hopeless reports whether new connections have waited for long enough.
func (p *places) hopeless(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.full.IsZero() && now.Sub(p.full) >= placeWait
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

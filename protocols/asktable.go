package protocols

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// askTable holds the unanswered requests of one link. It belongs to the Link, so that an answer
// finds its request after a restart. A nil table, of a protocol without requests, is empty. All
// methods are safe from any goroutine.
type askTable struct {
	limit     int
	onlyAsked bool // see Spec.OnlyAsked

	mu      sync.Mutex
	waiting map[uint64]*pending
	last    uint64   // IDs count from 1
	overdue []uint64 // requests that timed out or were cancelled, the oldest first; for onlyAsked
	stats   AskStats
}

// maxOverdue is how many requests that timed out or were cancelled may still be answered.
const maxOverdue = 1024

// pending is an unanswered request. Its outcome is reported to then, to done, or to the actor.
type pending struct {
	id         uint64
	request    any // pointer to the message as sent
	answerCode uint64
	asked      time.Time
	timeout    time.Duration
	timer      supervise.Timer // nil until it was sent
	lost       bool            // the link ended before the timer was set

	then func(answer any, err error) // AskThen: belongs to one incarnation of the actor
	done chan result                 // Call: holds one
	// If neither is set, the actor receives the answer as a message.
}

type result struct {
	answer any
	err    error
}

// askOverdue is sent to the link's actor by a request's timer.
type askOverdue struct{ id uint64 }

func newAskTable(limit int, onlyAsked bool) *askTable {
	return &askTable{limit: limit, onlyAsked: onlyAsked, waiting: map[uint64]*pending{}}
}

// open assigns an ID to a request and adds it to the table.
func (t *askTable) open(p *pending, rule *askRule, request any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) >= t.limit {
		return ErrTooManyAsks
	}
	t.last++
	t.stats.Asked++
	p.id = t.last
	p.answerCode = rule.answerCode
	p.request = rule.stamp(request, p.id)
	t.waiting[p.id] = p
	return nil
}

// abandon removes a request that could not be sent.
func (t *askTable) abandon(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.waiting[id]; ok {
		delete(t.waiting, id)
		t.stats.Asked--
	}
}

// arm sets the timer of a request that was sent, unless the request is over already. It returns
// an error if the link's end was the reason, because nothing else reports that.
func (t *askTable) arm(p *pending, timer supervise.Timer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.waiting[p.id] == p:
		p.timer = timer
		return nil
	case p.lost:
		timer.Stop()
		return ErrLinkDown
	}
	timer.Stop()
	return nil
}

// find returns the request of an answer. nil means that the answer is late or had no request,
// which is counted. An error says that the link is to end for it.
func (t *askTable) find(id uint64) (*pending, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.waiting[id]; p != nil {
		return p, nil
	}
	sent := id != 0 && id <= t.last
	if !sent {
		t.stats.Unasked++
	} else {
		t.stats.Late++
	}
	switch {
	case !t.onlyAsked || t.answeredLate(id):
		return nil, nil
	case sent:
		return nil, fmt.Errorf("%w: request %d has its answer", ErrUnasked, id)
	}
	return nil, fmt.Errorf("%w: request %d was never sent", ErrUnasked, id)
}

// isOverdue takes into account that a request has failed, and may still be answered.
func (t *askTable) isOverdue(id uint64) {
	if !t.onlyAsked {
		return
	}
	if len(t.overdue) >= maxOverdue {
		t.overdue = slices.Delete(t.overdue, 0, 1)
	}
	t.overdue = append(t.overdue, id)
}

// answeredLate takes into account the answer to a request that has failed. It returns false if it is
// not the first one.
func (t *askTable) answeredLate(id uint64) bool {
	i := slices.Index(t.overdue, id)
	if i < 0 {
		return false
	}
	t.overdue = slices.Delete(t.overdue, i, i+1)
	return true
}

// answered removes a request that has its answer. nil means that it was cancelled in between.
func (t *askTable) answered(id uint64, at time.Time) *pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.remove(id)
	if p == nil {
		t.stats.Late++
		t.answeredLate(id)
		return nil
	}
	t.stats.Answered++
	latency := max(0, at.Sub(p.asked))
	if t.stats.Answered == 1 {
		t.stats.Latency = latency
	}
	t.stats.LastLatency = latency
	t.stats.Latency += (latency - t.stats.Latency) / 8 // the smoothing of TCP's round-trip times (RFC 6298)
	return p
}

// timedOut removes a request without its answer. nil means that it is over already.
func (t *askTable) timedOut(id uint64) *pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.remove(id)
	if p != nil {
		t.stats.TimedOut++
		t.isOverdue(id)
	}
	return p
}

// cancel removes a request; it returns false if there is none.
func (t *askTable) cancel(id uint64) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remove(id) == nil {
		return false
	}
	t.isOverdue(id)
	return true
}

func (t *askTable) remove(id uint64) *pending {
	p := t.waiting[id]
	if p == nil {
		return nil
	}
	delete(t.waiting, id)
	if p.timer != nil {
		p.timer.Stop()
	}
	return p
}

// expired returns the IDs of the requests whose timeout has passed, in order.
func (t *askTable) expired(now time.Time) (ids []uint64) {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.waiting {
		if !now.Before(p.asked.Add(p.timeout)) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// dropThen removes the requests that have continuations.
func (t *askTable) dropThen() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.waiting {
		if p.then != nil {
			t.remove(id)
			t.isOverdue(id)
		}
	}
}

// close removes all requests and returns them in the order in which they were sent. A request
// that is being sent at this moment fails with the error of its Send.
func (t *askTable) close() []*pending {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var taken []*pending
	for id, p := range t.waiting {
		t.remove(id)
		if p.timer == nil {
			p.lost = true
			continue
		}
		taken = append(taken, p)
	}
	slices.SortFunc(taken, func(a, b *pending) int { return cmp.Compare(a.id, b.id) })
	return taken
}

func (t *askTable) count() AskStats {
	if t == nil {
		return AskStats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.InFlight = len(t.waiting)
	return s
}

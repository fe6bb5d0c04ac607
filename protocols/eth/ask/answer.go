package ask

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Arrived takes an answer of a peer, with the request's ID and so many items. If ok is true, the
// caller checks it and calls Done, or Continue. Otherwise nothing is to be done with it but the
// actions: it came late, or its want is over, which is no fault; or the peer is to be closed.
func (s *Scheduler) Arrived(now time.Time, from enode.ID, id uint64, k Kind, items int) (request Request, ok bool, actions []Action) {
	p := s.peer(from)
	if p == nil {
		return request, false, nil
	}
	r := s.request(id)
	if r == nil || r.peer != p || r.arrived {
		if sent, late := p.late.take(id); late {
			p.sees(now.Sub(sent), items)
			p.latency = max(p.latency, now.Sub(sent)/slack) // so that the next time-out is longer
			return request, false, s.next(now, nil)
		}
		return request, false, s.close(now, p, fmt.Errorf("%w: %s with request ID %d", ErrUnasked, k, id))
	}
	switch {
	case k != r.Kind:
		return request, false, s.close(now, p, fmt.Errorf("%w: %s, want %s", ErrWrongKind, k, r.Kind))
	case items > r.Items():
		return request, false, s.close(now, p, fmt.Errorf("%w: %d %s, want %d", ErrTooMany, items, k, r.Items()))
	}
	took := now.Sub(r.sent)
	p.sees(took, items)
	p.rests[k] = rest{}
	r.took += took
	if r.job.over {
		s.drop(r)
		return request, false, s.next(now, nil)
	}
	r.arrived, r.until = true, now.Add(checking)
	return r.Request, true, nil
}

// Continue says that the caller asks the peer for the rest of what it has been asked for, as an
// answer with receipts in parts wants it, and what was found so far. ok is false if the request is
// gone: then the rest is not to be asked for.
func (s *Scheduler) Continue(now time.Time, id uint64, found Result) (ok bool) {
	r := s.request(id)
	if r == nil || !r.arrived || r.job.over {
		return false
	}
	for at, i := range r.indices {
		if at < len(found.Got) && found.Got[at] {
			r.job.items[i].got = true
		}
	}
	r.arrived, r.sent = false, now
	r.until = now.Add(r.peer.estimates[r.Kind].timeout(r.Items(), r.peer.latency))
	return true
}

// Result is what was found in the answer to a request.
type Result struct {
	Headers int    // how many there are; of Kind Headers
	Got     []bool // whether each of the request's blocks is there; of the others
	Spoken  int    // how many of the request's blocks the answer speaks of, see verify.Answer
	Err     error  // the answer is wrong, and why: the peer is closed
}

// Done takes what was found in the answer to a request. A request that is gone is ignored. What
// was found before an error counts.
func (s *Scheduler) Done(now time.Time, id uint64, found Result) []Action {
	r := s.request(id)
	if r == nil || !r.arrived {
		return nil
	}
	s.drop(r)
	got := 0
	for at, i := range r.indices {
		has := at < len(found.Got) && found.Got[at]
		if r.Kind == Headers {
			has = found.Headers > 0
		}
		switch {
		case has || r.job.items[i].got:
			r.job.items[i].got = true
			got++
		case found.Err != nil:
			s.back(r, r.indices[at:at+1], ErrWrong)
		case at < max(1, found.Spoken):
			r.peer.noteLack(now, r.job.items[i].key)
			s.back(r, r.indices[at:at+1], ErrLacking)
		default: // had no room, or was not looked for
			s.again(r, i)
		}
	}
	if found.Err != nil {
		return s.close(now, r.peer, found.Err)
	}
	if r.Kind == Headers {
		got = found.Headers
	}
	r.peer.estimates[r.Kind].answered(r.Kind, r.Items(), got, r.took)
	return s.next(now, nil)
}

// Tick takes requests as unanswered whose time is over, and gives up wants whose deadline is.
func (s *Scheduler) Tick(now time.Time) (actions []Action) {
	for _, r := range slices.Clone(s.requests) {
		if now.Before(r.until) || !slices.Contains(s.requests, r) {
			continue
		}
		s.drop(r)
		if r.arrived { // the caller has lost it
			for _, i := range r.indices {
				s.again(r, i)
			}
			continue
		}
		s.back(r, r.indices, ErrTimeout)
		if r.peer.timedOut(now, r) {
			actions = append(actions, Close{r.peer.ID, fmt.Errorf("%w: %d in %v", ErrSilent, r.peer.silent, now.Sub(r.peer.silentAt))})
			s.remove(r.peer.ID)
		}
	}
	for _, j := range slices.Clone(s.jobs) {
		if !now.Before(j.Deadline) {
			s.end(j)
			actions = append(actions, j.finished())
		}
	}
	return s.next(now, actions)
}

// close removes a peer that is to be closed.
func (s *Scheduler) close(now time.Time, p *peer, cause error) []Action {
	s.remove(p.ID)
	return s.next(now, []Action{Close{p.ID, cause}})
}

// back puts items back that were asked for in vain.
func (s *Scheduler) back(r *request, indices []int, why error) {
	if r.job.over {
		return
	}
	for _, i := range indices {
		r.job.back(i, why)
	}
}

// again puts an item back that the peer had no chance to deliver.
func (s *Scheduler) again(r *request, i int) {
	if !r.job.over {
		r.job.put(i)
	}
}

func (s *Scheduler) request(id uint64) *request {
	for _, r := range s.requests {
		if r.ID == id {
			return r
		}
	}
	return nil
}

package ask

import (
	"cmp"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// next ends wants that have nothing left, and sends requests as long as there are peers for them.
func (s *Scheduler) next(now time.Time, actions []Action) []Action {
	for _, j := range slices.Clone(s.jobs) {
		if len(j.pending) == 0 && j.inFlight == 0 {
			s.end(j)
			actions = append(actions, j.finished())
		}
	}
	for len(s.requests) < s.cfg.InFlight {
		r := s.choose(now)
		if r == nil {
			break
		}
		actions = append(actions, Ask{Peer: r.peer.ID, Request: r.Request})
	}
	return actions
}

// choose makes the next request: of the asker that has had the least of peers' time. It returns
// nil if there is none.
func (s *Scheduler) choose(now time.Time) *request {
	for _, a := range s.byShare() {
		for _, j := range s.jobs {
			if j.asker != a || len(j.pending) == 0 {
				continue
			}
			if p, indices := s.best(now, j); p != nil {
				return s.send(now, p, j, indices)
			}
		}
	}
	return nil
}

func (s *Scheduler) byShare() []*asker {
	list := slices.Clone(s.askers)
	slices.SortStableFunc(list, func(x, y *asker) int { return cmp.Compare(x.spent, y.spent) })
	return list
}

// best returns the peer that would deliver soonest, and what to ask it for. A peer of which nothing
// is known comes first: so it gets known, with a small request. Equal ones take turns.
func (s *Scheduler) best(now time.Time, j *job) (best *peer, indices []int) {
	var soonest float64
	for _, p := range s.peers {
		if j.Only != nil && *j.Only != p.ID || !p.free(now, j.Kind, s.cfg.PerPeer) {
			continue
		}
		found := s.batch(now, p, j)
		if len(found) == 0 {
			continue
		}
		cost := 0.0 // time for an item
		if e := p.estimates[j.Kind]; e.rate > 0 {
			n := max(1, j.amount(len(found)))
			cost = e.expected(n, p.latency).Seconds() / float64(n)
		}
		if best == nil || cost < soonest || cost == soonest && p.asked < best.asked {
			best, indices, soonest = p, found, cost
		}
	}
	return best, indices
}

// batch returns the indices of the items that a peer would be asked for.
func (s *Scheduler) batch(now time.Time, p *peer, j *job) (found []int) {
	limit := p.estimates[j.Kind].batch(j.Kind, p.latency)
	for _, i := range j.pending {
		if len(found) >= limit {
			break
		}
		if p.has(now, j, i) {
			found = append(found, i)
		}
	}
	return found
}

// amount returns how many headers, or blocks, a request for some of the items has.
func (j *job) amount(items int) int {
	if j.Kind == Headers {
		return int(min(j.Query.Amount, uint64(limits[Headers])))
	}
	return items
}

func (s *Scheduler) send(now time.Time, p *peer, j *job, indices []int) *request {
	s.lastID++
	r := &request{Request: Request{ID: s.lastID, Want: j.id, Kind: j.Kind}, peer: p, job: j, indices: indices, sent: now}
	if j.Kind == Headers {
		r.Query = j.Query
		r.Query.Amount = min(j.Query.Amount, uint64(p.estimates[Headers].batch(Headers, p.latency)))
	}
	for _, i := range indices {
		if j.Kind != Headers {
			r.Blocks = append(r.Blocks, j.Blocks[i])
		}
	}
	j.pending = slices.DeleteFunc(j.pending, func(i int) bool { _, taken := slices.BinarySearch(indices, i); return taken })
	e := &p.estimates[j.Kind]
	r.until = now.Add(e.timeout(r.Items(), p.latency))
	j.asker.spent += e.expected(r.Items(), p.latency)
	p.busy[j.Kind], p.asked = true, r.ID
	p.inFlight++
	j.inFlight++
	s.requests = append(s.requests, r)
	return r
}

// asker returns the asker of a name. One that had nothing to ask for has no claim on the time in
// which it did not.
func (s *Scheduler) asker(name string) *asker {
	for _, a := range s.askers {
		if a.name == name {
			return a
		}
	}
	a := &asker{name: name}
	for i, other := range s.askers {
		if i == 0 || other.spent < a.spent {
			a.spent = other.spent
		}
	}
	s.askers = append(s.askers, a)
	return a
}

// end removes a want. Requests for it that are not answered stay until they are.
func (s *Scheduler) end(j *job) {
	j.over = true
	s.jobs = slices.DeleteFunc(s.jobs, func(other *job) bool { return other == j })
	s.queued -= len(j.items)
	if !slices.ContainsFunc(s.jobs, func(other *job) bool { return other.asker == j.asker }) {
		s.askers = slices.DeleteFunc(s.askers, func(a *asker) bool { return a == j.asker })
	}
}

// remove removes a peer.
func (s *Scheduler) remove(id enode.ID) {
	p := s.peer(id)
	if p == nil {
		return
	}
	s.peers = slices.DeleteFunc(s.peers, func(other *peer) bool { return other == p })
	for _, r := range slices.Clone(s.requests) {
		if r.peer == p {
			s.drop(r)
			s.back(r, r.indices, ErrPeerLeft)
		}
	}
	for _, j := range s.jobs {
		if j.Only != nil && *j.Only == id {
			for _, i := range j.pending {
				j.items[i].why = ErrPeerLeft
			}
			j.pending = nil
		}
	}
}

// drop removes a request. Its peer can be asked again.
func (s *Scheduler) drop(r *request) {
	s.requests = slices.DeleteFunc(s.requests, func(other *request) bool { return other == r })
	r.peer.busy[r.Kind] = false
	r.peer.inFlight--
	r.job.inFlight--
}

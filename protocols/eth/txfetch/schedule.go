package txfetch

import (
	"slices"
	"time"
)

// Tick does what has become due. It may be called at any time.
func (f *Fetcher[P]) Tick(now time.Time) Actions[P] { return f.actions(now, Actions[P]{}) }

// actions does what is due, and adds requests and the time of the next Tick.
func (f *Fetcher[P]) actions(now time.Time, a Actions[P]) Actions[P] {
	f.endWaiting(now)
	for _, p := range f.turns {
		if r := p.request; r != nil && now.Sub(r.sent) >= answerTime {
			f.timeOut(now, r)
		}
	}
	for _, p := range f.turns {
		if r := f.ask(now, p); r != nil {
			a.Requests = append(a.Requests, r)
		}
	}
	if len(a.Requests) > 0 { // another is the first to be asked next time
		f.turns = append(f.turns[1:], f.turns[0])
	}
	a.Wake = f.wake(now)
	return a
}

// endWaiting queues transactions that have waited for a push. Those that would follow soon go along,
// so that there are few requests.
func (f *Fetcher[P]) endWaiting(now time.Time) {
	if f.firstWaiting() == nil || f.waiting[0].due.After(now) {
		return
	}
	for t := f.firstWaiting(); t != nil && !t.due.After(now.Add(gather)); t = f.firstWaiting() {
		f.setStage(t, queued)
	}
}

// firstWaiting returns the transaction whose waiting ends first, or nil.
func (f *Fetcher[P]) firstWaiting() *tracked[P] {
	for len(f.waiting) > 0 {
		if t := f.waiting[0]; t.stage == waiting {
			return t
		}
		f.waiting[0] = nil
		f.waiting = f.waiting[1:]
	}
	f.waiting = nil
	return nil
}

// timeOut gives up a request. Its peer is left alone for a while, longer each time.
func (f *Fetcher[P]) timeOut(now time.Time, r *Request[P]) {
	f.counters.TimedOut++
	r.late = true
	f.giveBack(r, func(int) bool { return true })
	r.peer.judge(0, len(r.Hashes))
	r.peer.resume = now.Add(min(answerTime<<min(r.peer.silent, 10), maxPause))
	r.peer.silent++
	if r.peer.silent >= trimAfter {
		f.trim(r.peer)
	}
}

// trim drops the oldest announcements of a peer that are beyond its bound.
func (f *Fetcher[P]) trim(p *peer[P]) {
	for _, a := range slices.Clone(p.queue) {
		if p.announced <= p.limit {
			return
		}
		f.withdraw(a)
	}
}

// giveBack ends a request. What has not come is queued again. unavailable says by their places in the
// request which of these the peer is not asked for again.
func (f *Fetcher[P]) giveBack(r *Request[P], unavailable func(i int) bool) {
	r.peer.request = nil
	for i, hash := range r.Hashes {
		t, ok := f.txs[hash]
		if !ok || t.request != r {
			continue // it came from another peer
		}
		t.request = nil
		f.setStage(t, queued)
		if !unavailable(i) {
			continue
		}
		f.counters.Unavailable++
		for _, a := range t.announcements {
			if a.peer == r.peer {
				f.withdraw(a)
				break
			}
		}
	}
}

// judge changes how much a peer may announce, by how much of what it was asked for came.
func (p *peer[P]) judge(came, missing int) {
	switch {
	case came >= missing:
		p.limit = min(MaxAnnounced, 2*p.limit)
	case 4*came < missing:
		p.limit = max(minAnnounced, p.limit/2)
	}
}

// ask makes the next request to a peer; nil if there is none.
func (f *Fetcher[P]) ask(now time.Time, p *peer[P]) *Request[P] {
	if p.request != nil || p.available == 0 || p.faulty || now.Before(p.resume) {
		return nil
	}
	r := &Request[P]{Peer: p.id, peer: p, sent: now}
	size := uint64(0)
	for _, a := range p.queue {
		if a.gone || a.tx.stage != queued {
			continue
		}
		size += uint64(a.size)
		if len(r.Hashes) > 0 && size > maxBytes {
			break
		}
		r.Hashes = append(r.Hashes, a.tx.hash)
		f.setStage(a.tx, fetching)
		a.tx.request = r
		if len(r.Hashes) == maxHashes {
			break
		}
	}
	p.request = r
	f.counters.Requests++
	f.counters.Requested += uint64(len(r.Hashes))
	return r
}

// wake returns when something becomes due next.
func (f *Fetcher[P]) wake(now time.Time) (next time.Time) {
	consider := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if t := f.firstWaiting(); t != nil {
		consider(t.due)
	}
	for _, p := range f.turns {
		switch {
		case p.request != nil:
			consider(p.request.sent.Add(answerTime))
		case p.available > 0 && !p.faulty && now.Before(p.resume):
			consider(p.resume)
		}
	}
	return next
}

package blobs

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
)

// Tick does what has become due. It may be called at any time.
func (f *Fetcher[P]) Tick(now time.Time) Actions[P] { return f.actions(now, Actions[P]{}) }

// actions does what is due, and adds requests and the time of the next Tick.
func (f *Fetcher[P]) actions(now time.Time, a Actions[P]) Actions[P] {
	f.expire(now)
	f.endWaiting(now)
	for _, p := range slices.Clone(f.turns) {
		if p.request != nil && now.Sub(p.request.sent) >= AnswerTime {
			f.failed(&a, now, p.request)
		}
	}
	asked := len(a.Requests)
	for again := true; again; {
		again = false
		var passed []*peer[P]
		for _, p := range f.turns {
			if !p.changed || !p.idle(now) {
				continue
			}
			blocked := p.blocked
			r, passedOver := f.ask(now, p)
			if r != nil {
				a.Requests = append(a.Requests, r)
				f.counters.Requests++
			}
			if passedOver {
				passed = append(passed, p)
			}
			again = again || r != nil || p.blocked && !blocked
		}
		for _, p := range passed { // those they have passed over something for may be busy now
			p.changed = again
		}
	}
	if len(a.Requests) > asked { // another is the first to be asked next time
		f.turns = append(f.turns[1:], f.turns[0])
	}
	a.Wake = f.wake(now)
	return a
}

// wake returns when something becomes due next.
func (f *Fetcher[P]) wake(now time.Time) (next time.Time) {
	consider := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if it := f.oldest(); it != nil {
		consider(it.since.Add(lifetime))
	}
	if len(f.waiting) > 0 {
		consider(f.waiting[0].due)
	}
	for _, p := range f.turns {
		switch {
		case p.request != nil:
			consider(p.request.sent.Add(AnswerTime))
		case p.changed && now.Before(p.resume):
			consider(p.resume)
		}
	}
	return next
}

// ask makes the next request to a peer; nil if there is none. passedOver says that there is one that
// another peer is to get first.
func (f *Fetcher[P]) ask(now time.Time, p *peer[P]) (r *Request[P], passedOver bool) {
	if r := f.askBody(now, p); r != nil {
		return r, false
	}
	p.changed = false
	for _, o := range p.queue {
		if o.gone {
			continue
		}
		columns := f.wants(o)
		if other := o.item.preferred(); other != nil && other != o && other.peer.idle(now) && !other.peer.blocked && columns.Intersection(other.mask) != (types.CustodyBitmap{}) {
			columns, passedOver = columns.Difference(other.mask), true
		}
		n := columns.OneCount() * o.item.blobs()
		if n == 0 || r != nil && (columns != r.Mask || r.bytes+n*cellSize > maxCells*cellSize) {
			continue
		}
		if !f.reserve(p, n*cellSize) {
			p.blocked = true
			break
		}
		if r == nil {
			r = &Request[P]{of: f, Peer: p.id, Ask: Ask{Mask: columns}, peer: p, sent: now}
		}
		r.bytes += n * cellSize
		r.Hashes = append(r.Hashes, o.item.hash)
		r.items = append(r.items, o.item)
		o.item.asked = o.item.asked.Union(columns)
	}
	p.request = r
	return r, passedOver
}

// askBody makes a request for the next body that a peer is to be asked for.
func (f *Fetcher[P]) askBody(now time.Time, p *peer[P]) *Request[P] {
	for len(p.bodies) > 0 {
		it := p.bodies[0]
		p.bodies = p.bodies[1:]
		if it.gone {
			continue
		}
		p.request = &Request[P]{of: f, Peer: p.id, Body: true, peer: p, sent: now}
		p.request.Hashes = append(p.request.Hashes, it.hash)
		p.request.items = append(p.request.items, it)
		return p.request
	}
	return nil
}

// wants returns the columns to ask for by an offer.
func (f *Fetcher[P]) wants(o *offer[P]) (none types.CustodyBitmap) {
	it := o.item
	if !it.ready || it.elide != nil {
		return none
	}
	have := it.have()
	if !it.provider {
		need := f.cfg.Custody.Difference(have)
		if !within(need, it.union) {
			return none // the peers do not have all
		}
		return need.Intersection(o.mask)
	}
	n := Enough - have.OneCount()
	if n <= 0 || have.Union(it.union).OneCount() < Enough {
		return none
	}
	can := o.mask.Difference(have)
	data := first(can.Intersection(types.CustodyBitmapData), n) // the blob itself
	return data.Union(first(can.Difference(types.CustodyBitmapData), n-data.OneCount()))
}

// preferred returns the offer of the peer that is to be asked first: the one that has sent the body, so that it
// is at fault if the cells don't fit, or else the first. A provider prefers peers that have enough.
func (it *item[P]) preferred() (best *offer[P]) {
	score := func(o *offer[P]) (n int) {
		if it.provider && provides(o.mask) {
			n += 2
		}
		if it.body != nil && it.body.peer == o.peer {
			n++
		}
		return n
	}
	for _, o := range it.offers {
		if best == nil || score(o) > score(best) {
			best = o
		}
	}
	return best
}

// blobs returns the number of blobs, or the largest possible one.
func (it *item[P]) blobs() int {
	if it.body != nil {
		return len(it.body.tx.BlobHashes())
	}
	return MaxBlobs
}

// Answered handles the answer to a request for cells, or the error of Ask.Parse. What is before the last
// transaction of the answer and not in it is not available at the peer; what is after it may be asked for
// again. An empty answer says that nothing is available. No peer is at fault for either. A request that another
// Fetcher has made is ignored, here and below.
func (f *Fetcher[P]) Answered(now time.Time, r *Request[P], cells []Cells, err error) Actions[P] {
	var a Actions[P]
	if r.done || r.of != f {
		return f.actions(now, a)
	}
	p := r.peer
	p.silent, p.resume = 0, time.Time{}
	f.end(&a, r, true)
	if err != nil {
		f.fault(&a, p, err)
		return f.actions(now, a)
	}
	last, came := -1, make([]bool, len(r.Hashes))
	for i := range cells {
		place := slices.Index(r.Hashes, cells[i].Hash)
		if place < 0 || came[place] || !within(cells[i].Mask, r.Mask) {
			f.fault(&a, p, fmt.Errorf("%w: transaction %v was not asked for", ErrAnswer, cells[i].Hash))
			return f.actions(now, a)
		}
		last, came[place] = max(last, place), true
		f.counters.Cells += uint64(len(cells[i].Cells))
		f.deliver(&a, r.items[place], p, &cells[i], r.Mask)
	}
	for place, it := range r.items {
		if o := it.offerOf(p); o != nil && !came[place] && (place < last || last < 0) {
			f.withdraw(o)
		}
	}
	return f.actions(now, a)
}

// Bodied handles the answer to a request for a body: the transaction, or nil if it was not in the answer.
// An error says that the answer was malformed.
func (f *Fetcher[P]) Bodied(now time.Time, r *Request[P], tx *types.Transaction, err error) Actions[P] {
	var a Actions[P]
	if r.done || r.of != f {
		return f.actions(now, a)
	}
	p, it := r.peer, r.items[0]
	p.silent, p.resume = 0, time.Time{}
	if tx != nil && err == nil {
		if tx.Hash() != it.hash {
			err = fmt.Errorf("%w: transaction %v was not asked for, but %v", ErrAnswer, tx.Hash(), it.hash)
		} else if err = CheckBody(tx); err != nil {
			err = fmt.Errorf("transaction %v: %w", it.hash, err)
		}
	}
	f.end(&a, r, true)
	switch {
	case err != nil:
		f.fault(&a, p, err)
	case !it.gone:
		f.bodied(&a, it, p, tx)
	}
	return f.actions(now, a)
}

// Failed handles a request that could not be sent, or to which no answer will come. It is as if its time
// had run out.
func (f *Fetcher[P]) Failed(now time.Time, r *Request[P]) Actions[P] {
	var a Actions[P]
	if !r.done && r.of == f {
		f.failed(&a, now, r)
	}
	return f.actions(now, a)
}

// failed gives up a request. Its peer is not asked for the same again, and left alone for a while, longer each
// time.
func (f *Fetcher[P]) failed(a *Actions[P], now time.Time, r *Request[P]) {
	f.counters.TimedOut++
	p := r.peer
	p.resume = now.Add(min(AnswerTime<<min(p.silent, 10), maxPause))
	p.silent++
	f.end(a, r, false)
}

// end ends a request. Without an answer, the peer has not what it was asked for.
func (f *Fetcher[P]) end(a *Actions[P], r *Request[P], answered bool) {
	r.done = true
	r.peer.request, r.peer.changed = nil, true
	f.free(r.peer, r.bytes)
	for _, it := range r.items {
		it.asked = it.asked.Difference(r.Mask)
		it.mark()
		o := it.offerOf(r.peer)
		if o == nil {
			continue
		}
		if r.Body {
			o.body = bodyAsked
		}
		if !answered {
			if r.Body && !it.gone {
				f.bodied(a, it, r.peer, nil)
			}
			f.withdraw(o)
		}
	}
}

// offerOf returns the offer of a peer, or nil.
func (it *item[P]) offerOf(p *peer[P]) *offer[P] {
	for _, o := range it.offers {
		if o.peer == p {
			return o
		}
	}
	return nil
}

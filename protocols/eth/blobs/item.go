package blobs

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// item is a transaction that is not whole.
type item[P comparable] struct {
	hash     common.Hash
	seq      uint64 // order of arrival
	since    time.Time
	gone     bool
	provider bool
	ready    bool      // to be asked for
	due      time.Time // end of a sampler's wait; zero before the first provider

	offers []*offer[P]         // the earliest first
	union  types.CustodyBitmap // of their masks
	asked  types.CustodyBitmap // columns that were asked for

	others []P // have announced it, see Known
	sender common.Address
	body   *body[P] // nil: none
	lost   bool     // there was a body, and it was wrong
	parts  []*part[P]
	finish *Job[P] // that recovers cells; nil: none
	elide  *Job[P] // of a transaction with blobs; nil: none
}

// offer is what a peer has announced of a transaction.
type offer[P comparable] struct {
	peer *peer[P]
	item *item[P]
	mask types.CustodyBitmap // less what it has sent
	body uint8               // whether the peer was asked for the body
	gone bool
}

// body is a transaction without blobs.
type body[P comparable] struct {
	tx   *types.Transaction
	peer *peer[P]
	size int // bytes in the buffer
}

func (b *body[P]) sidecar() *types.BlobTxSidecar { return b.tx.BlobTxSidecar() }

// part is what a peer has sent of a transaction's cells.
type part[P comparable] struct {
	cells *Cells
	peer  *peer[P]
	state partState
	// against is the body that disputed cells do not fit.
	against *body[P]
}

type partState uint8

const (
	unchecked partState = iota
	checking
	good
	// disputed cells do not fit the body, which another peer has sent.
	disputed
)

// peer is a peer with cells.
type peer[P comparable] struct {
	id        P
	queue     []*offer[P] // in order of arrival, with some that are gone
	announced int         // that are not gone
	bodies    []*item[P]  // of which the peer is to be asked for the body
	request   *Request[P]
	silent    int       // requests without answer since the last one that had an answer
	resume    time.Time // not to be asked before
	faulty    bool      // or has left

	held    map[*item[P]]int // bytes in the buffer
	bytes   int              // of all, and what it was asked for
	changed bool             // there may be something to ask for
	blocked bool             // there was no room for what it has
}

func (p *peer[P]) idle(now time.Time) bool {
	return p.request == nil && !p.faulty && !now.Before(p.resume)
}

// track returns the transaction with a hash, and begins to keep track of it.
func (f *Fetcher[P]) track(now time.Time, hash common.Hash) *item[P] {
	it, ok := f.items[hash]
	if ok {
		return it
	}
	f.seq++
	it = &item[P]{hash: hash, seq: f.seq, since: now}
	it.provider = f.cfg.Custody == types.CustodyBitmap{} || provides(f.cfg.Custody) || f.cfg.Random() < Probability
	it.ready = it.provider
	f.items[hash] = it
	f.ages = append(f.ages, it)
	return it
}

// offer enters an announcement. The first of a peer counts.
func (f *Fetcher[P]) offer(now time.Time, p *peer[P], hash common.Hash, mask types.CustodyBitmap) {
	it := f.track(now, hash)
	if slices.ContainsFunc(it.offers, func(o *offer[P]) bool { return o.peer == p }) {
		return
	}
	o := &offer[P]{peer: p, item: it, mask: mask}
	it.offers = append(it.offers, o)
	it.union = it.union.Union(mask)
	p.queue = append(p.queue, o)
	p.announced++
	f.announced++
	if !it.ready && provides(mask) {
		f.count(now, it)
	}
	it.mark()
	f.findBody(it)
}

// count decides whether a sampler has enough providers.
func (f *Fetcher[P]) count(now time.Time, it *item[P]) {
	n := 0
	for _, o := range it.offers {
		if provides(o.mask) {
			n++
		}
	}
	if n >= minProviders {
		it.ready = true
	} else if it.due.IsZero() {
		it.due = now.Add(providerWait)
		f.waiting = append(f.waiting, it)
	}
}

// endWaiting makes providers of samplers that have waited for a second one.
func (f *Fetcher[P]) endWaiting(now time.Time) {
	for len(f.waiting) > 0 {
		it := f.waiting[0]
		if !it.gone && !it.ready && it.due.After(now) {
			return
		}
		f.waiting[0] = nil
		f.waiting = f.waiting[1:]
		if !it.gone && !it.ready {
			it.provider, it.ready = true, true
			it.mark()
		}
	}
	f.waiting = nil
}

// mark has the peers that have a transaction looked at.
func (it *item[P]) mark() {
	for _, o := range it.offers {
		o.peer.changed = true
	}
}

// withdraw removes an offer, and the transaction if nothing is left of it.
func (f *Fetcher[P]) withdraw(o *offer[P]) {
	if o.gone {
		return
	}
	o.gone = true
	o.peer.announced--
	f.announced--
	o.peer.tidy()
	it := o.item
	it.offers = slices.DeleteFunc(it.offers, func(other *offer[P]) bool { return other == o })
	it.union = types.CustodyBitmap{}
	for _, o := range it.offers {
		it.union = it.union.Union(o.mask)
	}
	it.mark()
	f.forgetIfEmpty(it)
}

// forgetIfEmpty drops a transaction of which nothing is left.
func (f *Fetcher[P]) forgetIfEmpty(it *item[P]) {
	if len(it.offers) == 0 && it.body == nil && it.elide == nil && len(it.parts) == 0 {
		f.drop(it, &f.counters.Forgotten)
	}
}

// tidy drops offers that are gone from the queue, once they are most of it.
func (p *peer[P]) tidy() {
	if len(p.queue) <= 64+2*p.announced {
		return
	}
	queue := make([]*offer[P], 0, 32+p.announced)
	for _, o := range p.queue {
		if !o.gone {
			queue = append(queue, o)
		}
	}
	p.queue = queue
}

// drop forgets a transaction, with all that stands in the buffer of it.
func (f *Fetcher[P]) drop(it *item[P], counter *uint64) {
	if it.gone {
		return
	}
	it.gone = true
	*counter++
	delete(f.items, it.hash)
	for _, o := range slices.Clone(it.offers) {
		f.withdraw(o)
	}
	for _, part := range it.parts {
		f.release(part.peer, it, len(part.cells.Cells)*cellSize)
	}
	if it.body != nil {
		f.release(it.body.peer, it, it.body.size)
	}
	if it.elide != nil {
		f.release(it.elide.body.peer, it, it.elide.body.size)
	}
	it.parts, it.body = nil, nil
	if len(f.ages) > 64+2*len(f.items) {
		f.ages = slices.DeleteFunc(f.ages, func(it *item[P]) bool { return it.gone })
	}
}

// expire drops transactions whose time is over.
func (f *Fetcher[P]) expire(now time.Time) {
	for it := f.oldest(); it != nil && now.Sub(it.since) >= lifetime; it = f.oldest() {
		f.drop(it, &f.counters.Expired)
	}
}

// oldest returns the transaction that is tracked for the longest time, or nil.
func (f *Fetcher[P]) oldest() *item[P] {
	for len(f.ages) > 0 {
		if it := f.ages[0]; !it.gone {
			return it
		}
		f.ages[0] = nil
		f.ages = f.ages[1:]
	}
	f.ages = nil
	return nil
}

// have returns the columns that are there, undisputed, or asked for.
func (it *item[P]) have() types.CustodyBitmap {
	mask := it.asked
	for _, part := range it.parts {
		if part.state != disputed {
			mask = mask.Union(part.cells.Mask)
		}
	}
	return mask
}

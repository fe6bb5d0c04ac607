package blobs

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
)

// Here bodies and cells meet.

// The states of an offer's body.
const (
	bodyNotAsked = iota
	bodyDue      // the peer is to be asked, or was
	bodyAsked    // it has answered, or failed to
)

// deliver enters cells that a peer has sent. It was asked for all columns of asked, and does not have those
// that it has not sent.
func (f *Fetcher[P]) deliver(a *Actions[P], it *item[P], p *peer[P], c *Cells, asked types.CustodyBitmap) {
	if o := it.offerOf(p); o != nil {
		o.mask = o.mask.Difference(asked)
		it.union = types.CustodyBitmap{}
		for _, o := range it.offers {
			it.union = it.union.Union(o.mask)
		}
	}
	if it.gone || it.overlaps(c.Mask, nil) || !f.hold(p, it, len(c.Cells)*cellSize) {
		return
	}
	it.parts = append(it.parts, &part[P]{cells: c, peer: p})
	f.advance(a, it)
}

// overlaps reports whether some columns are there already, beside those of one part, and undisputed.
func (it *item[P]) overlaps(mask types.CustodyBitmap, beside *part[P]) bool {
	return slices.ContainsFunc(it.parts, func(p *part[P]) bool {
		return p != beside && p.state != disputed && p.cells.Mask.Intersection(mask) != types.CustodyBitmap{}
	})
}

// install enters a body, if there is room. Cells that fitted another one are checked again, because proofs differ.
func (f *Fetcher[P]) install(a *Actions[P], it *item[P], b *body[P]) {
	b.size = int(b.tx.Size()) + overhead
	if !f.hold(b.peer, it, b.size) {
		f.counters.Refused++
		if o := it.offerOf(b.peer); o != nil {
			o.body = bodyAsked
		}
		it.lost = true
		f.findBody(it)
		f.forgetIfEmpty(it)
		return
	}
	it.body, it.lost, it.finish = b, false, nil
	for _, part := range it.parts {
		if part.state != disputed {
			part.state = unchecked
		}
	}
	f.advance(a, it)
}

// advance does the next step of a transaction, if there is one.
func (f *Fetcher[P]) advance(a *Actions[P], it *item[P]) {
	if it.gone || it.body == nil {
		return
	}
	blobs := len(it.body.tx.BlobHashes())
	var fit []*Cells
	var mask types.CustodyBitmap
	for _, part := range slices.Clone(it.parts) {
		switch part.state {
		case unchecked:
			if got := part.cells.Blobs(); got != blobs { // the hash of the transaction covers their number
				f.discard(it, part)
				f.fault(a, part.peer, fmt.Errorf("%w: transaction %v: of %d blobs, it has %d", ErrAnswer, it.hash, got, blobs))
				if it.gone {
					return
				}
				continue
			}
			part.state = checking
			a.Jobs = append(a.Jobs, &Job[P]{of: f, kind: check, item: it, body: it.body, part: part})
		case good:
			fit = append(fit, part.cells)
			mask = mask.Union(part.cells.Mask)
		}
	}
	switch {
	case !it.provider && within(f.cfg.Custody, mask):
		f.complete(a, it, it.body.tx, merge(fit), it.body.peer, &f.counters.Sampled)
	case it.provider && provides(mask) && it.finish == nil:
		it.finish = &Job[P]{of: f, kind: finish, item: it, body: it.body, sets: fit}
		a.Jobs = append(a.Jobs, it.finish)
	}
}

// complete hands over a transaction that is whole.
func (f *Fetcher[P]) complete(a *Actions[P], it *item[P], tx *types.Transaction, c *Cells, from *peer[P], counter *uint64) {
	w := Whole[P]{Tx: tx, Sender: it.sender, Cells: c, Peer: from.id, Others: it.others}
	for _, o := range it.offers {
		if o.peer != from {
			w.Others = append(w.Others, o.peer.id)
		}
	}
	a.Whole = append(a.Whole, w)
	f.drop(it, counter)
}

// Checked handles a job that has been run. One of another Fetcher is ignored.
func (f *Fetcher[P]) Checked(now time.Time, j *Job[P]) Actions[P] {
	var a Actions[P]
	if j.of == f && !j.item.gone {
		switch j.kind {
		case check:
			f.checkedPart(&a, j)
		case judge:
			f.judged(&a, j)
		case finish:
			f.finished(&a, j)
		case elide:
			f.elided(&a, j)
		}
	}
	return f.actions(now, a)
}

func (f *Fetcher[P]) checkedPart(a *Actions[P], j *Job[P]) {
	it, part := j.item, j.part
	if !slices.Contains(it.parts, part) {
		return
	}
	switch {
	case it.body != j.body: // another, by now
		part.state = unchecked
	case j.err == nil:
		part.state = good
	case part.peer == it.body.peer:
		f.discard(it, part)
		f.badBody(a, it, wrong(it, "cells or proofs", j.err))
		return
	case j.right:
		part.state = unchecked
		f.badBody(a, it, wrong(it, "proofs", j.err))
		return
	case provides(part.cells.Mask):
		f.discard(it, part)
		f.fault(a, part.peer, wrong(it, "cells", j.err))
	default:
		f.dispute(it, part)
	}
	f.advance(a, it)
}

// dispute has the sender of cells that don't fit the body of another peer asked for the body.
func (f *Fetcher[P]) dispute(it *item[P], part *part[P]) {
	f.counters.Disputed++
	part.state, part.against = disputed, it.body
	if o := it.offerOf(part.peer); o == nil || !f.wantBody(o) {
		f.discard(it, part)
	}
	it.mark() // others are asked for the columns
}

// wantBody has a peer asked for the body. It returns false if it was before.
func (f *Fetcher[P]) wantBody(o *offer[P]) bool {
	switch {
	case o.body == bodyAsked || o.peer.faulty:
		return false
	case o.body == bodyNotAsked:
		o.body = bodyDue
		o.peer.bodies = append(o.peer.bodies, o.item)
		o.peer.changed = true
	}
	return true
}

// findBody has one of the peers that have a transaction asked for its body, in place of the one that was wrong.
func (f *Fetcher[P]) findBody(it *item[P]) {
	if !it.lost || it.gone || slices.ContainsFunc(it.offers, func(o *offer[P]) bool { return o.body == bodyDue }) {
		return
	}
	for _, part := range it.parts { // whose cells and proofs fit each other
		if o := it.offerOf(part.peer); o != nil && f.wantBody(o) {
			return
		}
	}
	for _, o := range it.offers {
		if f.wantBody(o) {
			return
		}
	}
}

// badBody removes a body whose proofs are wrong. Its sender is at fault.
func (f *Fetcher[P]) badBody(a *Actions[P], it *item[P], err error) {
	b := it.body
	it.body, it.lost, it.finish = nil, true, nil
	f.release(b.peer, it, b.size)
	f.fault(a, b.peer, err)
	f.findBody(it)
	f.forgetIfEmpty(it)
}

// bodied handles the body that a peer was asked for; nil if it has none.
func (f *Fetcher[P]) bodied(a *Actions[P], it *item[P], p *peer[P], tx *types.Transaction) {
	own := &body[P]{tx: tx, peer: p}
	open := false
	for _, part := range slices.Clone(it.parts) {
		if part.peer != p || part.state != disputed {
			continue
		}
		if tx == nil {
			f.discard(it, part)
			continue
		}
		open = true
		a.Jobs = append(a.Jobs, &Job[P]{of: f, kind: judge, item: it, body: own, part: part})
	}
	if tx != nil && !open && it.body == nil {
		f.install(a, it, own)
	}
	if !open {
		f.findBody(it)
	}
}

// judged handles what was found out about disputed cells.
func (f *Fetcher[P]) judged(a *Actions[P], j *Job[P]) {
	it, part := j.item, j.part
	if !slices.Contains(it.parts, part) {
		return
	}
	if j.err != nil { // neither do they fit the sender's own proofs
		f.discard(it, part)
		f.fault(a, part.peer, wrong(it, "cells", j.err))
		f.findBody(it)
		return
	}
	part.state = unchecked
	if it.overlaps(part.cells.Mask, part) {
		f.discard(it, part)
	}
	old := it.body
	if old == nil || old == part.against {
		f.install(a, it, j.body)
	}
	if old != nil && old == part.against {
		err := wrong(it, "proofs", fmt.Errorf("%w, which fit those of another body", ErrCells))
		switch {
		case it.gone:
			f.fault(a, old.peer, err)
		case it.body == old: // there is no room for the other one
			f.badBody(a, it, err)
		default:
			f.release(old.peer, it, old.size)
			f.fault(a, old.peer, err)
		}
	}
	f.advance(a, it)
}

func (f *Fetcher[P]) finished(a *Actions[P], j *Job[P]) {
	it := j.item
	if it.finish != j {
		return // there is another body
	}
	f.counters.Recovered++
	if j.err != nil { // the cells were good, so that those recovered of them are
		f.badBody(a, it, wrong(it, "proofs", j.err))
		return
	}
	f.complete(a, it, j.body.tx, j.cells, j.body.peer, &f.counters.Provided)
}

func (f *Fetcher[P]) elided(a *Actions[P], j *Job[P]) {
	it := j.item
	if it.elide != j {
		return
	}
	if j.err == nil {
		f.complete(a, it, j.tx, j.cells, j.body.peer, &f.counters.Provided)
		return
	}
	it.elide = nil
	f.release(j.body.peer, it, j.body.size)
	f.fault(a, j.body.peer, wrong(it, "blobs or proofs", j.err))
	it.mark()
	f.forgetIfEmpty(it)
}

// discard removes cells.
func (f *Fetcher[P]) discard(it *item[P], p *part[P]) {
	i := slices.Index(it.parts, p)
	if i < 0 {
		return
	}
	it.parts = slices.Delete(it.parts, i, i+1)
	f.release(p.peer, it, len(p.cells.Cells)*cellSize)
	it.mark()
	f.forgetIfEmpty(it)
}

// unresolved gives up disputes with a peer that has left.
func (f *Fetcher[P]) unresolved(a *Actions[P], p *peer[P]) {
	for it := range p.held {
		f.bodied(a, it, p, nil)
	}
	p.bodies = nil
}

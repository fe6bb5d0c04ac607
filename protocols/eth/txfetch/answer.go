package txfetch

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Answered handles an answer to a request. Transactions that it does not have, but has some after,
// are not available at the peer. Those after its last one did not fit in, and may be asked for
// again. An answer without any says that none is available.
func (f *Fetcher[P]) Answered(now time.Time, r *Request[P], items []Item) Actions[P] {
	var a Actions[P]
	if r.done {
		return f.actions(now, a)
	}
	r.done = true
	places := make(map[common.Hash]int, len(r.Hashes))
	for i, hash := range r.Hashes {
		places[hash] = i
	}
	last, came, bad := -1, 0, map[int]bool{}
	for i := range items {
		item := &items[i]
		place, ok := places[item.Hash]
		if !ok {
			f.fault(&a, r.Peer, fmt.Errorf("%w: %v", ErrUnasked, item.Hash))
			break
		}
		delete(places, item.Hash) // a second one is not asked for
		last = max(last, place)
		if item.Err != nil {
			f.fault(&a, r.Peer, item.Err)
			bad[place] = true
			continue
		}
		came++
		f.arrived(&a, item, r.peer)
	}
	p := r.peer
	p.silent, p.resume = 0, time.Time{}
	if !r.late && f.peers[r.Peer] == p {
		f.giveBack(r, func(i int) bool { return i < last || last < 0 || bad[i] })
		p.judge(came, len(r.Hashes)-came)
	}
	return f.actions(now, a)
}

// Failed handles a request that could not be sent, or to which no answer will come. It is as if its
// time had run out.
func (f *Fetcher[P]) Failed(now time.Time, r *Request[P]) Actions[P] {
	if !r.done && !r.late && f.peers[r.Peer] == r.peer {
		f.timeOut(now, r)
	}
	r.done = true
	return f.actions(now, Actions[P]{})
}

// Pushed handles transactions that a peer has sent unasked (the message Transactions).
func (f *Fetcher[P]) Pushed(now time.Time, id P, items []Item) Actions[P] {
	var a Actions[P]
	for i := range items {
		if item := &items[i]; item.Type == types.BlobTxType {
			f.fault(&a, id, fmt.Errorf("%w: %v", ErrPushed, item.Hash))
		} else {
			f.arrived(&a, item, f.peers[id])
		}
	}
	return f.actions(now, a)
}

// arrived compares a transaction with what was announced, and forgets it.
func (f *Fetcher[P]) arrived(a *Actions[P], item *Item, from *peer[P]) {
	f.counters.Delivered++
	t, ok := f.txs[item.Hash]
	if !ok {
		return
	}
	arrival := Arrival[P]{Hash: item.Hash}
	for _, said := range t.announcements {
		if err := item.mismatch(said.kind, said.size, said.peer.version); err != nil {
			f.fault(a, said.peer.id, err)
		} else if said.peer != from {
			arrival.Peers = append(arrival.Peers, said.peer.id)
		}
	}
	if len(arrival.Peers) > 0 {
		a.Arrivals = append(a.Arrivals, arrival)
	}
	f.forget(t)
}

// fault notes that a peer's link should end. The peer is not asked any more.
func (f *Fetcher[P]) fault(a *Actions[P], id P, err error) {
	p, ok := f.peers[id]
	if !ok {
		return // it has left
	}
	p.faulty = true
	if !slices.ContainsFunc(a.Faults, func(other Fault[P]) bool { return other.Peer == id }) {
		a.Faults = append(a.Faults, Fault[P]{id, err})
	}
}

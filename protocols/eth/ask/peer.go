package ask

import (
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

const (
	// maxLacks is how many blocks a peer is remembered to lack.
	maxLacks = 1024
	// A block that a peer lacks is asked for again after lackFirst, then after twice the time, up to
	// lackMost: a peer may be about to import it.
	lackFirst = 4 * time.Second
	lackMost  = 5 * time.Minute
	// A peer that did not answer is not asked for the kind for restFirst, then for twice the time, up
	// to restMost.
	restFirst = 2 * time.Second
	restMost  = time.Minute
	// A peer that has answered none of silentRequests requests in a row, over silentFor, is closed.
	silentRequests = 5
	silentFor      = 2 * time.Minute
	// maxLate is how many requests that timed out a peer may answer late, within lateFor.
	maxLate = 64
	lateFor = 5 * time.Minute
	// ahead is how far behind a peer's head may be of what it says: it tells others every 32 blocks.
	ahead = 64
)

// Peer is a peer that can be asked.
type Peer struct {
	ID      enode.ID
	Version uint         // of eth
	Range   *chain.Range // what it serves; nil: not known, as in eth/68
}

// peer is a peer, and what was learnt of it.
type peer struct {
	Peer
	busy      [kinds]bool
	inFlight  int
	estimates [kinds]estimate
	latency   time.Duration
	lacks     ring[key, lack]
	late      ring[uint64, time.Time] // when requests were sent that timed out
	rests     [kinds]rest
	silent    int       // requests in a row that were not answered
	silentAt  time.Time // when the first of them was sent
	asked     uint64    // ID of the last request
}

// lack says until when a peer is not asked for something that it did not have.
type lack struct {
	until time.Time
	times int
}

// rest says until when a peer is not asked after time-outs.
type rest struct {
	until time.Time
	times int
}

func newPeer(p Peer) *peer {
	n := &peer{Peer: p, lacks: ring[key, lack]{limit: maxLacks}, late: ring[uint64, time.Time]{limit: maxLate}}
	for k := range kinds {
		n.estimates[k] = newEstimate(k)
	}
	return n
}

// doubled returns first, doubled so many times, at most most.
func doubled(first, most time.Duration, times int) time.Duration {
	for ; times > 0 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}

func (p *peer) noteLack(now time.Time, k key) {
	l, _ := p.lacks.get(k)
	l.until = now.Add(doubled(lackFirst, lackMost, l.times))
	l.times++
	p.lacks.set(k, l)
}

// free reports whether the peer can be asked for a kind now.
func (p *peer) free(now time.Time, k Kind, perPeer int) bool {
	return !p.busy[k] && p.inFlight < perPeer && !now.Before(p.rests[k].until) && (k != AccessLists || p.Version >= lists)
}

// has reports whether the peer may have an item.
func (p *peer) has(now time.Time, j *job, i int) bool {
	if n, ok := j.number(i); ok && p.Range != nil {
		// Headers are there from genesis on, whatever history a node has pruned.
		if j.Kind != Headers && n < p.Range.Earliest || n > p.Range.Latest && n-p.Range.Latest > ahead {
			return false
		}
	}
	l, ok := p.lacks.get(j.items[i].key)
	return !ok || !now.Before(l.until)
}

// small is how many items an answer may have to tell the latency.
const small = 4

// sees takes into account that the peer has answered with so many items, and how long that took.
func (p *peer) sees(took time.Duration, items int) {
	p.silent = 0
	switch {
	case p.latency == 0 || took < p.latency:
		p.latency = max(took, 1)
	case items <= small:
		p.latency += (took - p.latency) / 4
	}
}

// timedOut takes into account that a request was not answered. It reports whether the peer is to be
// closed.
func (p *peer) timedOut(now time.Time, r *request) bool {
	p.late.set(r.ID, r.sent)
	p.estimates[r.Kind].timedOut(r.Items())
	rest := &p.rests[r.Kind]
	rest.until = now.Add(doubled(restFirst, restMost, rest.times))
	rest.times++
	if p.silent == 0 {
		p.silentAt = r.sent
	}
	p.silent++
	return p.silent >= silentRequests && now.Sub(p.silentAt) >= silentFor
}

// ring is a map that forgets what was set first when it is full.
type ring[K comparable, V any] struct {
	limit int
	m     map[K]V
	order []K
}

func (r *ring[K, V]) get(k K) (V, bool) { v, ok := r.m[k]; return v, ok }

func (r *ring[K, V]) set(k K, v V) {
	if r.m == nil {
		r.m = map[K]V{}
	}
	if _, ok := r.m[k]; !ok {
		if len(r.order) >= r.limit {
			delete(r.m, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, k)
	}
	r.m[k] = v
}

// take removes an entry and returns it.
func (r *ring[K, V]) take(k K) (v V, ok bool) {
	if v, ok = r.m[k]; !ok {
		return v, false
	}
	delete(r.m, k)
	for i, o := range r.order {
		if o == k {
			r.order = append(r.order[:i], r.order[i+1:]...)
			break
		}
	}
	return v, true
}

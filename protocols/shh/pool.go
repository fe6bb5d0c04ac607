package shh

import (
	"container/heap"

	"github.com/ethereum/go-ethereum/common"
)

// Default limits of a node's pool.
const (
	DefaultPoolBytes     = 64 << 20
	DefaultPoolEnvelopes = 16384
)

// pool holds the envelopes that the node forwards, each once, until they expire. It is
// bounded: a full pool evicts the envelopes with the least work per byte, and rejects an
// envelope with less work per byte than all others. So a sender that wants to flush the
// pool must do more work than is in it. (PoW is work per byte and second; ranking by PoW
// would favour envelopes with a TTL of one second.) pool has no lock; its owner guards it.
type pool struct {
	maxBytes, maxCount int
	// freed is called when the parcel of a slot was removed.
	freed func(slot int)

	held    map[common.Hash]*parcel
	bytes   int
	expiry  parcelHeap // ordered by expiry, the earliest first
	worth   parcelHeap // ordered by worth, the least first
	slots   []int      // free slots below next
	next    int
	evicted evictedSet
}

func newPool(maxBytes, maxCount int, freed func(int)) *pool {
	return &pool{
		maxBytes: maxBytes, maxCount: maxCount, freed: freed,
		held: map[common.Hash]*parcel{},
		expiry: parcelHeap{
			less:  func(a, b *parcel) bool { return a.Expiry < b.Expiry },
			index: func(p *parcel) *int { return &p.byExpiry },
		},
		worth: parcelHeap{
			less:  func(a, b *parcel) bool { return a.worth < b.worth },
			index: func(p *parcel) *int { return &p.byWorth },
		},
		evicted: evictedSet{at: map[common.Hash]struct{}{}},
	}
}

// admission is the result of pool.add.
type admission uint8

const (
	admitted admission = iota
	known              // the pool has the parcel, or has evicted it
	refused            // the pool is full, and the parcel has too little work
)

// find returns the parcel with the hash, or nil. The bool is true if the pool has it or has
// evicted it.
func (p *pool) find(hash common.Hash) (*parcel, bool) {
	if held, ok := p.held[hash]; ok {
		return held, true
	}
	_, was := p.evicted.at[hash]
	return nil, was
}

// add adds a parcel, unless it is known or the pool is full of parcels with more work.
func (p *pool) add(in *parcel) admission {
	if _, ok := p.find(in.hash); ok {
		return known
	}
	if !p.makeRoom(in) {
		return refused
	}
	in.slot = p.takeSlot()
	p.held[in.hash] = in
	p.bytes += in.cost()
	heap.Push(&p.expiry, in)
	heap.Push(&p.worth, in)
	return admitted
}

// makeRoom evicts parcels with less worth than in. If that doesn't free enough room, it
// evicts none and returns false.
func (p *pool) makeRoom(in *parcel) bool {
	var victims []*parcel
	bytes, count := p.bytes+in.cost(), len(p.held)+1
	for bytes > p.maxBytes || count > p.maxCount {
		if p.worth.Len() == 0 || p.worth.parcels[0].worth >= in.worth {
			for _, v := range victims {
				heap.Push(&p.worth, v)
			}
			return false
		}
		v := heap.Pop(&p.worth).(*parcel)
		victims = append(victims, v)
		bytes, count = bytes-v.cost(), count-1
	}
	for _, v := range victims {
		heap.Remove(&p.expiry, v.byExpiry)
		p.drop(v)
		p.evicted.add(v.hash, p.maxCount)
	}
	return true
}

// expire drops the parcels that expired before now, in seconds of Unix time. It returns
// their number.
func (p *pool) expire(now uint32) (dropped int) {
	for p.expiry.Len() > 0 && p.expiry.parcels[0].Expiry < now {
		p.dropFirst()
		dropped++
	}
	return dropped
}

// empty drops all parcels.
func (p *pool) empty() {
	for p.expiry.Len() > 0 {
		p.dropFirst()
	}
}

// dropFirst drops the parcel that expires first.
func (p *pool) dropFirst() {
	v := heap.Pop(&p.expiry).(*parcel)
	heap.Remove(&p.worth, v.byWorth)
	p.drop(v)
}

// drop removes a parcel that was already removed from both heaps.
func (p *pool) drop(v *parcel) {
	delete(p.held, v.hash)
	p.bytes -= v.cost()
	p.slots = append(p.slots, v.slot)
	p.freed(v.slot)
}

func (p *pool) takeSlot() int {
	if n := len(p.slots); n > 0 {
		slot := p.slots[n-1]
		p.slots = p.slots[:n-1]
		return slot
	}
	p.next++
	return p.next - 1
}

// parcelHeap is a heap that stores each parcel's index in the parcel.
type parcelHeap struct {
	parcels []*parcel
	less    func(a, b *parcel) bool
	index   func(*parcel) *int
}

func (h *parcelHeap) Len() int           { return len(h.parcels) }
func (h *parcelHeap) Less(i, j int) bool { return h.less(h.parcels[i], h.parcels[j]) }

func (h *parcelHeap) Swap(i, j int) {
	h.parcels[i], h.parcels[j] = h.parcels[j], h.parcels[i]
	*h.index(h.parcels[i]), *h.index(h.parcels[j]) = i, j
}

func (h *parcelHeap) Push(x any) {
	p := x.(*parcel)
	*h.index(p) = len(h.parcels)
	h.parcels = append(h.parcels, p)
}

func (h *parcelHeap) Pop() any {
	last := len(h.parcels) - 1
	p := h.parcels[last]
	h.parcels[last] = nil
	h.parcels = h.parcels[:last]
	return p
}

// evictedSet records the last evicted envelopes, so none of them is accepted twice.
type evictedSet struct {
	order []common.Hash
	first int // index of the oldest hash, once order is full
	at    map[common.Hash]struct{}
}

// add adds a hash to the set, which has max at most. max must not change after the first call.
func (s *evictedSet) add(hash common.Hash, max int) {
	s.at[hash] = struct{}{}
	if len(s.order) < max {
		s.order = append(s.order, hash)
		return
	}
	delete(s.at, s.order[s.first])
	s.order[s.first] = hash
	s.first = (s.first + 1) % max
}

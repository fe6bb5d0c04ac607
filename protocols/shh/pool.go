package shh

import (
	"container/heap"

	"github.com/ethereum/go-ethereum/common"
)

// Limits of a node's pool unless its Config says otherwise.
const (
	DefaultPoolBytes     = 64 << 20
	DefaultPoolEnvelopes = 16384
)

// pool holds the envelopes that are on their way, each once, until they expire. It is
// bounded: when it is full, the envelopes with the least work per byte of room make room;
// one with less than all others does not come in. So whoever wants to flush it must outwork
// what is in it. (By PoW, which is work per byte and second, those would win that are to
// live for a second only.) A plain rule: whoever owns it guards it.
type pool struct {
	maxBytes, maxCount int
	// freed is called when a slot has lost its parcel.
	freed func(slot int)

	held    map[common.Hash]*parcel
	bytes   int
	expiry  parcelHeap // the first to expire first
	worth   parcelHeap // the least worth first
	slots   []int      // free ones below next
	next    int
	evicted graveyard
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
		evicted: graveyard{max: maxCount, at: map[common.Hash]struct{}{}},
	}
}

// admission is what becomes of a parcel.
type admission uint8

const (
	admitted admission = iota
	known              // it is there, or was and had to make room
	refused            // it has too little work in it for a full pool
)

// find gives a parcel, and says whether the pool holds it or did so before it had to
// make room.
func (p *pool) find(hash common.Hash) (*parcel, bool) {
	if held, ok := p.held[hash]; ok {
		return held, true
	}
	_, was := p.evicted.at[hash]
	return nil, was
}

// add takes a parcel in, unless it is known or the pool is full of better ones.
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

// makeRoom evicts parcels that are worth less than the one that wants to come in, or none if
// that does not help.
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
		p.evicted.bury(v.hash)
	}
	return true
}

// expire drops what has expired before now, in seconds of Unix time, and says how much.
func (p *pool) expire(now uint32) (dropped int) {
	for p.expiry.Len() > 0 && p.expiry.parcels[0].Expiry < now {
		p.dropFirst()
		dropped++
	}
	return dropped
}

// empty drops everything.
func (p *pool) empty() {
	for p.expiry.Len() > 0 {
		p.dropFirst()
	}
}

// dropFirst drops the first parcel to expire.
func (p *pool) dropFirst() {
	v := heap.Pop(&p.expiry).(*parcel)
	heap.Remove(&p.worth, v.byWorth)
	p.drop(v)
}

// drop forgets a parcel that is in no heap any more.
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

// parcelHeap is a heap whose parcels know where they stand.
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

// graveyard remembers the last envelopes that had to make room, so that none comes twice.
type graveyard struct {
	max   int
	order []common.Hash
	first int // the oldest, once order is full
	at    map[common.Hash]struct{}
}

func (g *graveyard) bury(hash common.Hash) {
	g.at[hash] = struct{}{}
	if len(g.order) < g.max {
		g.order = append(g.order, hash)
		return
	}
	delete(g.at, g.order[g.first])
	g.order[g.first] = hash
	g.first = (g.first + 1) % g.max
}

package actors

import (
	"slices"
	"sync"
	"time"
)

// batch is what one read from the socket brought for one protocol: the reader
// makes it and puts it into the host's inbox, which owns it from then on. One
// wake-up and one clock reading serve all its messages.
type batch struct {
	at    time.Time
	items []item
	next  int       // first item not yet given to the behaviour; outlives a crash (R4)
	cost  int64     // credit that the unhandled items and the buffers still take
	extra int64     // the part of cost that is not the items', returned at the end
	bufs  []*buffer // where the payloads lie
}

type item struct {
	code    uint64
	payload []byte
	wire    int
}

// itemOverhead is what a message costs beyond its payload, in bytes, so that a
// flood of empty ones is bounded as well.
const itemOverhead = 64

func (it *item) cost() int64 { return int64(len(it.payload)) + itemOverhead }

var batchPool = sync.Pool{New: func() any { return new(batch) }}

// maxPooledItems keeps the slice of a rare huge batch out of the pool.
const maxPooledItems = 2048

func newBatch(at time.Time) *batch {
	b := batchPool.Get().(*batch)
	b.at = at
	return b
}

// keep makes the batch a holder of buf, once.
func (b *batch) keep(buf *buffer) {
	if slices.Contains(b.bufs, buf) { // there are few: what was read, and what was decompressed
		return
	}
	buf.hold()
	b.bufs = append(b.bufs, buf)
	b.extra += int64(len(buf.b))
}

// seal settles what the batch costs: the larger of its messages and the buffers
// that it pins, because a drip of small messages pins much more than it brings.
// It returns what has to be charged beyond the items, which were charged when
// they were admitted.
func (b *batch) seal() int64 {
	items := int64(0)
	for i := range b.items {
		items += b.items[i].cost()
	}
	b.extra = max(0, b.extra-items)
	b.cost = items + b.extra
	return b.extra
}

// free gives back buffers and the batch itself.
func (b *batch) free() {
	for i, buf := range b.bufs {
		buf.release()
		b.bufs[i] = nil
	}
	clear(b.items)
	items, bufs := b.items[:0], b.bufs[:0]
	if cap(items) > maxPooledItems {
		items = nil
	}
	*b = batch{items: items, bufs: bufs}
	batchPool.Put(b)
}

package actors

import (
	"slices"
	"sync"
	"time"
)

// batch holds the messages that one read from the socket brought for one protocol. The reader
// makes it and puts it into the host's inbox, which owns it from then on. All its messages share
// one wake-up and one clock reading.
type batch struct {
	at    time.Time
	items []item
	next  int       // first item not yet given to the behaviour; survives a crash (R4)
	cost  int64     // credit that the unhandled items and the buffers still use
	extra int64     // the part of cost that is not the items', returned at the end
	bufs  []*buffer // hold the payloads
}

type item struct {
	code    uint64
	payload []byte // decompressed; nil if the protocol refuses the size
	size    int    // bytes of payload
	wire    int    // bytes of payload on the wire
}

// itemOverhead is the cost of a message beyond its payload, in bytes, so that a flood of empty
// messages is bounded as well.
const itemOverhead = 64

func (it *item) cost() int64 { return int64(len(it.payload)) + itemOverhead }

var batchPool = sync.Pool{New: func() any { return new(batch) }}

// maxPooledItems keeps the slices of rare huge batches out of the pool.
const maxPooledItems = 2048

func newBatch(at time.Time) *batch {
	b := batchPool.Get().(*batch)
	b.at = at
	return b
}

// keep makes the batch a holder of buf, once.
func (b *batch) keep(buf *buffer) {
	if slices.Contains(b.bufs, buf) { // there are few: the read buffer and the arenas
		return
	}
	buf.hold()
	b.bufs = append(b.bufs, buf)
	b.extra += int64(len(buf.b))
}

// seal computes what the batch costs: its messages or the buffers that it pins, whichever is
// more, because a slow trickle of small messages pins much more than it delivers. It returns what
// must be charged beyond the items, which were charged on arrival.
func (b *batch) seal() int64 {
	items := int64(0)
	for i := range b.items {
		items += b.items[i].cost()
	}
	b.extra = max(0, b.extra-items)
	b.cost = items + b.extra
	return b.extra
}

// free releases the buffers and the batch itself.
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

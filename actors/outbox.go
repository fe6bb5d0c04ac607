package actors

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/troupe-p2p/troupe/wire"
)

// quantum is how many bytes one grant writes, or one frame if that is larger.
const quantum = 64 << 10

// ErrOutboxFull refuses a Send: the outbox holds as much as it may. Nothing was
// queued, and exactly one Drained follows.
var ErrOutboxFull = errors.New("outbox full")

// ErrLinkDown refuses a Send on a link that has ended.
var ErrLinkDown = errors.New("link is down")

// outbox holds the frames that a protocol has sent and that wait for the token:
// compressed and laid out, so that the holder only seals and writes. It belongs
// to the host and outlives incarnations (R4). All methods are safe from any
// goroutine.
type outbox struct {
	mu     sync.Mutex
	chunks []chunk      // oldest first; one is what one grant writes
	queued atomic.Int64 // bytes in chunks; changed with mu held, read without

	// What a handler sends while it handles a message counts as an answer, because
	// the remote can make it more and more; what other goroutines send does not.
	answering  atomic.Bool  // a handler is at work
	answers    atomic.Int64 // bytes in chunks that are answers; like queued
	answerOwed atomic.Bool  // an answer was refused and its Drained has not come yet

	limit, high int
	snappy      bool

	closed    bool
	refused   atomic.Int64 // a Send was refused that needs so much room, and its Drained is owed; like queued
	inTurn    bool         // the host works and will ask for the token when it is done
	requested bool         // the token was asked for and did not come yet
}

// chunk is a run of laid-out frames in one buffer.
type chunk struct {
	buf     *buffer
	n       int
	answers int // bytes of n that are answers
}

func (c chunk) frames() []byte { return c.buf.b[:c.n] }

// add lays out one message. request says that the caller must ask the peer for
// the token. A refusal is answered by one Drained.
func (o *outbox) add(code uint64, payload []byte) (request bool, err error) {
	return o.offer(code, payload, true)
}

// offer is add, where owed says whether a refusal is to be answered by a Drained.
func (o *outbox) offer(code uint64, payload []byte, owed bool) (request bool, err error) {
	if len(payload) > wire.MaxPayload {
		return false, wire.ErrMessageTooLarge
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false, ErrLinkDown
	}
	// The check comes before the work, so it takes the worst case of the
	// compression. A message larger than the limit goes through alone.
	room := frameBound(len(payload))
	if queued := int(o.queued.Load()); queued > 0 && queued+room > o.limit {
		if owed {
			o.answerOwed.Store(o.answerOwed.Load() || o.answering.Load())
			o.refused.Store(max(o.refused.Load(), int64(room)))
		}
		return false, ErrOutboxFull
	}
	c := o.tail(room)
	dst := c.buf.b[:c.n]
	if o.snappy {
		dst, err = wire.AppendCompressed(dst, code, payload)
	} else {
		dst, err = wire.AppendFrame(dst, code, payload)
	}
	if err != nil {
		o.dropEmptyTail()
		return false, err
	}
	size := len(dst) - c.n
	c.n = len(dst)
	o.queued.Add(int64(size))
	if o.answering.Load() {
		c.answers += size
		o.answers.Add(int64(size))
	}
	if o.inTurn || o.requested {
		return false, nil
	}
	o.requested = true
	return true, nil
}

// frameBound is the most that a payload takes as a frame: header, code, snappy's
// worst case, padding and MAC.
func frameBound(payload int) int { return 32 + 9 + payload + payload/6 + 32 + 15 + 16 }

// tail gives the chunk that has room for the next frame, with mu held.
func (o *outbox) tail(room int) *chunk {
	if n := len(o.chunks); n > 0 {
		c := &o.chunks[n-1]
		if c.n < quantum && c.n+room <= len(c.buf.b) {
			return c
		}
		if c.buf.class == 0 && c.n+room <= largeBuffer {
			grown := getBuffer(largeBuffer)
			copy(grown.b, c.frames())
			c.buf.release()
			c.buf = grown
			return c
		}
	}
	o.chunks = append(o.chunks, chunk{buf: getBuffer(room)})
	return &o.chunks[len(o.chunks)-1]
}

func (o *outbox) dropEmptyTail() {
	last := len(o.chunks) - 1
	if o.chunks[last].n == 0 {
		o.chunks[last].buf.release()
		o.chunks = o.chunks[:last]
	}
}

// take gives the frames of one grant, which the caller releases.
func (o *outbox) take() (chunk, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.chunks) == 0 {
		return chunk{}, false
	}
	c := o.chunks[0]
	o.chunks = slices.Delete(o.chunks, 0, 1)
	o.queued.Add(-int64(c.n))
	o.answers.Add(-int64(c.answers))
	return c, true
}

// beginTurn holds requests back until endTurn, so that all that one turn sends
// goes out with one grant.
func (o *outbox) beginTurn() {
	o.mu.Lock()
	o.inTurn = true
	o.mu.Unlock()
}

// endTurn says whether the caller must ask for the token.
func (o *outbox) endTurn() (request bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inTurn = false
	if o.requested || len(o.chunks) == 0 {
		return false
	}
	o.requested = true
	return true
}

// answered takes note that the token came, was used or was stale, and says
// whether there is more to write; if so the caller asks again.
func (o *outbox) answered() (again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requested = len(o.chunks) > 0 && !o.closed
	return o.requested
}

// forgetRequest is for a new incarnation: what the old one had asked for was
// taken back at its crash.
func (o *outbox) forgetRequest() {
	o.mu.Lock()
	o.requested = false
	o.mu.Unlock()
}

// over says whether more than high water of answers is queued (R2), or one was
// refused: who keeps it must not be given more to answer meanwhile. What other
// goroutines send doesn't count, or two nodes that write to each other without end
// would both stop listening.
func (o *outbox) over() bool { return o.answers.Load() > int64(o.high) || o.answerOwed.Load() }

// isClosed says whether the link has ended, for this protocol at least.
func (o *outbox) isClosed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// fill is how many bytes are queued.
func (o *outbox) fill() int { return int(o.queued.Load()) }

// drained says once after each run of refusals that half of the limit is free, and
// enough for the largest of what was refused: it would be refused again.
func (o *outbox) drained() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	fill := o.fill()
	refused := int(o.refused.Load())
	if refused == 0 || fill > 0 && (fill > o.limit/2 || fill+refused > o.limit) {
		return false
	}
	o.refused.Store(0)
	o.answerOwed.Store(false)
	return true
}

// close drops what is queued and refuses all that comes.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, c := range o.chunks {
		c.buf.release()
	}
	o.chunks = nil
	o.refused.Store(0)
	o.queued.Store(0)
	o.answers.Store(0)
	o.answerOwed.Store(false)
}

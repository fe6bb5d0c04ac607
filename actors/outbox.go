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

const (
	// largeMessage is the size in bytes from which a message is compressed without the outbox's lock,
	// and in steps. A smaller one takes one or two milliseconds.
	largeMessage = 512 << 10
	// largeStep is how many bytes of it are compressed before others run.
	largeStep = 512 << 10
)

// ErrOutboxFull is returned by a Send for which the outbox has no room. Nothing was queued, and
// exactly one Drained follows.
var ErrOutboxFull = errors.New("outbox full")

// ErrLinkDown is returned by a Send on a link that has ended.
var ErrLinkDown = errors.New("link is down")

// outbox holds the frames that a protocol has sent and that wait for the token, compressed and
// laid out, so that the holder only seals and writes them. It belongs to the host and outlives
// incarnations (R4). All methods are safe from any goroutine.
type outbox struct {
	mu     sync.Mutex
	chunks []chunk      // oldest first; one grant writes one
	urgent []chunk      // the same, and they go first
	queued atomic.Int64 // bytes in both; changed with mu held, read without it

	// What the behaviour's own handle sends while a handler is at work counts as an answer (R2),
	// because the remote can cause any amount of it. What every other handle sends does not
	// count.
	answering  atomic.Bool  // a handler is at work
	answers    atomic.Int64 // bytes in chunks that are answers; locked like queued
	answerOwed atomic.Bool  // an answer was refused and its Drained has not come yet

	limit, high int
	snappy      bool
	pause       func() // lets others run amid a large message

	closed    bool
	refused   atomic.Int64 // room needed by a refused Send whose Drained is owed; 0: none; locked like queued
	inTurn    bool         // the host's turn is running and will request the token at its end
	requested bool         // the token was requested and has not arrived yet
}

// urgentReserve is how many bytes beyond the limit urgent messages may use, so that bulk data
// that fills the outbox does not block control messages.
const urgentReserve = quantum

// chunk is a run of laid-out frames in one buffer, or one frame that is laid out when it is
// written.
type chunk struct {
	buf     *buffer // nil until shared is laid out
	n       int
	answers int // bytes of n that are answers

	shared *Prepared // nil if the frames are this chunk's own
	code   uint64    // of shared, on the wire
}

func (c chunk) frames() []byte { return c.buf.b[:c.n] }

// sendMode says how the outbox treats one message.
type sendMode struct {
	urgent bool // it goes ahead of the others
	owed   bool // one Drained follows a refusal
	own    bool // the behaviour's own handle sends it
}

// offer lays out one message. request is true when the caller must request the token from the
// peer.
func (o *outbox) offer(code uint64, payload []byte, mode sendMode) (request bool, err error) {
	if len(payload) > wire.MaxPayload {
		return false, wire.ErrMessageTooLarge
	}
	if o.snappy && len(payload) > largeMessage {
		return o.offerLarge(code, payload, mode)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// The check comes before the work, so it assumes the worst case of the compression. A message
	// larger than the limit passes alone.
	room := frameBound(len(payload))
	if err := o.admit(room, o.limitOf(mode.urgent), mode); err != nil {
		return false, err
	}
	line := o.line(mode.urgent)
	c := tail(line, room)
	dst := c.buf.b[:c.n]
	if o.snappy {
		dst, err = wire.AppendCompressed(dst, code, payload)
	} else {
		dst, err = wire.AppendFrame(dst, code, payload)
	}
	if err != nil {
		dropEmptyTail(line)
		return false, err
	}
	return o.added(c, len(dst)-c.n, mode.own), nil
}

// offerLarge is offer for a message whose compression takes long. It does not hold the lock meanwhile, so
// that the host can write and other senders can send. Other goroutines run between two steps.
func (o *outbox) offerLarge(code uint64, payload []byte, mode sendMode) (request bool, err error) {
	room := frameBound(len(payload))
	if err := o.admits(room, mode); err != nil {
		return false, err
	}
	buf := getBuffer(room)
	frame, err := compressInSteps(buf.b[:0], code, payload, o.pause)
	if err != nil {
		buf.release()
		return false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// Others may have queued messages meanwhile, or closed the outbox.
	if err := o.admit(len(frame), o.limitOf(mode.urgent), mode); err != nil {
		buf.release()
		return false, err
	}
	line := o.line(mode.urgent)
	*line = append(*line, chunk{buf: buf})
	return o.added(&(*line)[len(*line)-1], len(frame), mode.own), nil
}

// admits is admit for a caller without the lock.
func (o *outbox) admits(room int, mode sendMode) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.admit(room, o.limitOf(mode.urgent), mode)
}

// compressInSteps is wire.AppendCompressed with a pause between two steps.
func compressInSteps(dst []byte, code uint64, payload []byte, pause func()) ([]byte, error) {
	steps, err := wire.NewCompression(dst, code, payload)
	if err != nil {
		return nil, err
	}
	for {
		pause()
		frame, err := steps.Step(largeStep)
		if frame != nil || err != nil {
			return frame, err
		}
	}
}

// line returns the queue of normal or urgent messages.
func (o *outbox) line(urgent bool) *[]chunk {
	if urgent {
		return &o.urgent
	}
	return &o.chunks
}

func (o *outbox) limitOf(urgent bool) int {
	if urgent {
		return o.limit + urgentReserve
	}
	return o.limit
}

// admit returns why room more bytes cannot be queued, or nil. The caller holds mu.
func (o *outbox) admit(room, limit int, mode sendMode) error {
	if o.closed {
		return ErrLinkDown
	}
	queued := int(o.queued.Load())
	if queued == 0 || queued+room <= limit {
		return nil
	}
	if mode.owed {
		if mode.own && o.answering.Load() {
			o.answerOwed.Store(true)
		}
		o.refused.Store(max(o.refused.Load(), int64(room)))
	}
	return ErrOutboxFull
}

// added counts size more bytes in a chunk. The caller holds mu.
func (o *outbox) added(c *chunk, size int, own bool) (request bool) {
	c.n += size
	o.queued.Add(int64(size))
	if own && o.answering.Load() {
		c.answers += size
		o.answers.Add(int64(size))
	}
	if o.inTurn || o.requested {
		return false
	}
	o.requested = true
	return true
}

// frameBound returns the largest frame of a payload: header, code, snappy's worst case, padding
// and MAC.
func frameBound(payload int) int { return 32 + 9 + payload + payload/6 + 32 + 15 + 16 }

// tail returns the chunk of a line that has room for the next frame.
func tail(line *[]chunk, room int) *chunk {
	if n := len(*line); n > 0 && (*line)[n-1].shared == nil {
		c := &(*line)[n-1]
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
	*line = append(*line, chunk{buf: getBuffer(room)})
	return &(*line)[len(*line)-1]
}

func dropEmptyTail(line *[]chunk) {
	last := len(*line) - 1
	if (*line)[last].n == 0 {
		(*line)[last].buf.release()
		*line = (*line)[:last]
	}
}

// take returns the frames of one grant; the caller releases them.
func (o *outbox) take() (chunk, bool) {
	c, ok := o.next()
	if c.shared != nil {
		c.layOut(o.snappy)
	}
	return c, ok
}

func (o *outbox) next() (chunk, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := &o.urgent
	if len(*line) == 0 {
		line = &o.chunks
	}
	if len(*line) == 0 {
		return chunk{}, false
	}
	c := (*line)[0]
	*line = slices.Delete(*line, 0, 1)
	o.queued.Add(-int64(c.n))
	o.answers.Add(-int64(c.answers))
	return c, true
}

// empty reports whether both lines are empty. The caller holds mu.
func (o *outbox) empty() bool { return len(o.chunks)+len(o.urgent) == 0 }

// beginTurn delays requests until endTurn, so that everything sent in one turn goes out with one
// grant.
func (o *outbox) beginTurn() {
	o.mu.Lock()
	o.inTurn = true
	o.mu.Unlock()
}

// endTurn reports whether the caller must request the token.
func (o *outbox) endTurn() (request bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inTurn = false
	if o.requested || o.empty() {
		return false
	}
	o.requested = true
	return true
}

// answered records that the token arrived, whether it was used or stale. It reports whether there
// is more to write; the caller then requests it again.
func (o *outbox) answered() (again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requested = !o.empty() && !o.closed
	return o.requested
}

// forgetRequest is for a new incarnation: the request of the old one was withdrawn at its crash.
func (o *outbox) forgetRequest() {
	o.mu.Lock()
	o.requested = false
	o.mu.Unlock()
}

// over reports whether more answers than high water are queued (R2), or one was refused: a
// behaviour that keeps a refused answer must not get more messages to answer meanwhile. What
// other handles send does not count, or two nodes that write to each other without end would both
// stop reading.
func (o *outbox) over() bool { return o.answers.Load() > int64(o.high) || o.answerOwed.Load() }

// isClosed reports whether the link, or at least this protocol, has ended.
func (o *outbox) isClosed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// fill returns how many bytes are queued.
func (o *outbox) fill() int { return int(o.queued.Load()) }

// drained returns true once after each run of refusals, when half of the limit is free and there
// is room for the largest refused message, which would otherwise be refused again.
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

// awaitRoom reports whether so many more bytes are below the limit. Otherwise one Drained follows when
// they are.
func (o *outbox) awaitRoom(bytes int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fill()+bytes <= o.limit {
		return true
	}
	o.refused.Store(max(o.refused.Load(), int64(bytes)))
	return false
}

// close drops the queue and refuses every later message.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, c := range slices.Concat(o.urgent, o.chunks) {
		if c.buf != nil {
			c.buf.release()
		}
	}
	o.urgent, o.chunks = nil, nil
	o.refused.Store(0)
	o.queued.Store(0)
	o.answers.Store(0)
	o.answerOwed.Store(false)
}

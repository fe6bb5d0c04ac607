package actors

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/troupe-p2p/troupe/wire"
)

// Prepared is a payload for many links. It is in memory once, and it is compressed once, when the
// first link with compression takes it: an outbox holds a reference, and the frame is laid out
// when it is written. It is safe from any goroutine.
type Prepared struct {
	payload []byte
	once    sync.Once
	block   []byte

	compressions atomic.Int32
}

// Prepare takes ownership of payload, which must not be changed any more. The error is
// [wire.ErrMessageTooLarge].
func Prepare(payload []byte) (*Prepared, error) {
	if len(payload) > wire.MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes", wire.ErrMessageTooLarge, len(payload))
	}
	return &Prepared{payload: payload}, nil
}

// Payload returns the payload given to Prepare.
func (p *Prepared) Payload() []byte { return p.payload }

// Compressions returns how often the payload was compressed: 0 or 1.
func (p *Prepared) Compressions() int { return int(p.compressions.Load()) }

// data returns what a frame carries behind the message code.
func (p *Prepared) data(compressed bool) []byte {
	if !compressed {
		return p.payload
	}
	p.once.Do(func() {
		block, err := wire.Compress(p.payload)
		if err != nil { // Prepare has excluded the only error
			panic(err)
		}
		p.block = block
		p.compressions.Add(1)
	})
	return p.block
}

// Full decides what happens to a [Prepared] for which an outbox has no room.
type Full uint8

const (
	// Refuse is for one link: ErrOutboxFull, and one Drained follows.
	Refuse Full = iota
	// Drop is for many: ErrOutboxFull, and no Drained follows.
	Drop
	// Wait queues it up to twice the outbox's limit, and drops it beyond that.
	Wait
)

// smallPrepared is the size in bytes up to which a frame is copied next to others at once instead
// of being a grant of its own.
const smallPrepared = 16 << 10

// offerPrepared queues a shared payload, as offer queues a payload of the link's own.
func (o *outbox) offerPrepared(code uint64, p *Prepared, full Full, mode sendMode) (request bool, err error) {
	data := p.data(o.snappy)
	size, err := wire.SizeOf(code, data)
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	limit := o.limitOf(mode.urgent)
	if full == Wait {
		limit += o.limit
	}
	mode.owed = full == Refuse
	if err := o.admit(size, limit, mode); err != nil {
		return false, err
	}
	line := o.line(mode.urgent)
	if size > smallPrepared {
		*line = append(*line, chunk{shared: p, code: code})
		return o.added(&(*line)[len(*line)-1], size, mode.own), nil
	}
	c := tail(line, size+layoutSlack)
	if _, err := wire.AppendFrame(c.buf.b[:c.n], code, data); err != nil {
		dropEmptyTail(line)
		return false, err
	}
	return o.added(c, size, mode.own), nil
}

// layoutSlack is how many bytes beyond the frame's size package wire needs to lay the frame out
// in place.
const layoutSlack = 64

// layOut makes the frame of a shared payload. Its size was checked when it was queued.
func (c *chunk) layOut(compressed bool) {
	c.buf = getBuffer(c.n + layoutSlack)
	if _, err := wire.AppendFrame(c.buf.b[:0], c.code, c.shared.data(compressed)); err != nil {
		panic(fmt.Errorf("frame of %d bytes: %w", c.n, err))
	}
}

package actors

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// stallTimeout is how long a protocol, or the node's memory, may pause the reader without any
	// progress (R6).
	stallTimeout = 20 * time.Second
	// frameTimeout is how long a frame may take from its first byte to its last, without the time
	// for which we pause the reader.
	frameTimeout = 30 * time.Second
	// busyLimit is how many bytes a reader whose socket is never empty reads at a time before it
	// lets others run: about a third of a millisecond of work.
	busyLimit = 128 << 10
	// newcomerWaits is how many times a new link waits for its remote without a goroutine. A
	// goroutine costs half a kilobyte beyond its end, because Go keeps its descriptor, and most links
	// of a node that has just started come within seconds and say little.
	newcomerWaits = 8
	// maxPongsDue is how many pings may wait for their pongs.
	maxPongsDue = 16
)

var (
	errClosing = errors.New("link is closing")
	errCold    = errors.New("link has become quiet")
	errNothing = errors.New("nothing to read")
)

// pump is the reader's goroutine: it reads, opens frames, decompresses, and posts the messages to
// the hosts. It blocks in reads and, when the memory that it may fill is full, until there is
// room again; nothing else in a link does that.
type pump struct {
	link *Link
	dec  *wire.Decoder
	rest []byte // bytes that arrived in one read with the Hello

	buf        *buffer // the read buffer; nil while the link is idle
	start, end int     // the part of buf that was not consumed yet
	want       int     // how many bytes from start on the next frame needs
	big        bool    // the last read filled its buffer, so take a large one
	quiet      bool    // the last read came after a long silence, or was given up during one
	busy       int     // bytes read since other goroutines were let run
	waits      int     // how many more times the link waits as a newcomer

	at      time.Time // when the bytes at hand were read
	batches []*batch  // one for each host, nil where it has none
	arena   *buffer   // decompressed payloads of the current batches
	used    int       // bytes of arena in use

	allowance bucket // for what messages expand beyond measure
}

func newPump(l *Link, s *wire.Session) pump {
	p := pump{link: l, waits: newcomerWaits, dec: s.Decoder, rest: s.Rest, batches: make([]*batch, len(l.hosts)), allowance: bucket{rate: expansionRate, burst: expansionBurst}}
	s.Rest = nil
	p.want = 1
	return p
}

// run reads until the link ends and returns the cause, or until the link has become quiet, or is new
// and waits, and returns nil.
func (p *pump) run() *Cause {
	defer p.dropBuffers() // also if it panics
	p.link.readerWarm.Store(p.link.src.interruptible())
	err := p.loop()
	p.dropBuffers()
	var cause *Cause
	switch {
	case p.link.Cause() != nil:
		p.drain()
		return p.link.Cause()
	case err == errCold, err == errNothing:
		return nil
	case errors.As(err, &cause):
		return cause
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("connection closed without a Disconnect: %w", err)
	}
	return &Cause{Side: Network, Reason: wire.DiscNetworkError, Err: err}
}

func (p *pump) loop() error {
	if err := p.takeRest(); err != nil {
		return err
	}
	for {
		if p.link.Cause() != nil {
			return errClosing
		}
		if err := p.open(); err != nil {
			return err
		}
		if err := p.makeRoom(); err != nil {
			return err
		}
		if p.quiet && p.end == 0 {
			p.park()
			return errCold
		}
		if p.busy >= busyLimit {
			p.busy = 0
			supervise.Yield()
		}
		if err := p.read(); err != nil {
			return err
		}
	}
}

// takeRest starts with the bytes that arrived in one read with the Hello.
func (p *pump) takeRest() error {
	rest := p.rest
	p.rest = nil
	if len(rest) == 0 {
		return nil
	}
	buf, err := p.buffer(len(rest))
	if err != nil {
		return err
	}
	p.buf, p.at = buf, p.link.clock.Now()
	p.end = copy(buf.b, rest)
	p.link.bytesIn.Add(uint64(len(rest)))
	return nil
}

// open opens all complete frames in the buffer and posts their messages.
func (p *pump) open() error {
	for p.start < p.end {
		frame, n, need, err := p.dec.Next(p.buf.b[p.start:p.end])
		if err != nil {
			p.post()
			return p.breach(err)
		}
		if n == 0 {
			p.want = need
			break
		}
		p.start += n
		if p.partial() != 0 {
			p.link.frameSince.Store(0)
		}
		if err := p.route(frame); err != nil {
			p.post()
			return err
		}
	}
	p.post()
	return nil
}

// breach returns a cause for bytes that no honest remote sends.
func (p *pump) breach(err error) *Cause {
	return &Cause{Side: Local, Reason: wire.DiscProtocolError, Err: err}
}

// route passes a message to the base protocol or to the host that owns its code.
func (p *pump) route(frame []byte) error {
	code, payload, err := wire.ParseMessage(frame)
	if err != nil {
		return p.breach(err)
	}
	if code < wire.BaseLength {
		return p.base(code, payload)
	}
	for i, h := range p.link.hosts {
		if code >= h.offset && code-h.offset < h.protocol.Length {
			return p.accept(i, h, code-h.offset, payload)
		}
	}
	return p.breach(fmt.Errorf("message code 0x%02x belongs to no protocol of this link", code))
}

// base handles a message of the base protocol. It ignores the payload of ping and pong.
func (p *pump) base(code uint64, payload []byte) error {
	l := p.link
	// The size of a Disconnect costs nothing more: it is the link's last message.
	if code != wire.DiscMsg {
		if err := p.waitForAllowance(baseExcessOf(len(payload))); err != nil {
			return err
		}
	}
	switch code {
	case wire.PingMsg:
		if l.pongsDue.Add(1) == 1 {
			supervise.Send(l.root, l.pid, &pongsDue{})
		}
		if l.pongsDue.Load() > maxPongsDue {
			p.post()
			return p.waitForPongs()
		}
	case wire.PongMsg:
		// A pong without an outstanding ping changes nothing.
		if sent := l.pingSent.Swap(0); sent != 0 {
			l.rtt.Store(max(1, int64(p.at.Sub(l.started))-sent))
		}
	case wire.DiscMsg:
		reason, err := wire.ParseDisconnect(payload, l.snappy)
		return &Cause{Side: Remote, Reason: reason, Err: err}
	}
	return nil
}

// accept adds a host's message to that host's batch. The claimed size is checked and charged
// before anything is decompressed (R1).
func (p *pump) accept(i int, h *Host, code uint64, payload []byte) error {
	it := item{code: code, size: len(payload), wire: len(payload)}
	if p.link.snappy {
		var err error
		if it.size, err = wire.DecodedLen(payload); err != nil {
			return p.protocolBreach(h, code, err)
		}
	}
	cost := int64(itemOverhead)
	refused := h.protocol.tooLarge(code, it.size)
	if !refused {
		cost += int64(it.size)
		if err := p.waitForAllowance(excessOf(it.wire, it.size)); err != nil {
			return err
		}
	}
	if !h.credit.take(cost) {
		p.post()
		if err := p.waitForCredit(h, cost); err != nil {
			return err
		}
	}
	var from *buffer // of the content
	if !refused {
		var err error
		if it.payload, from, err = p.content(payload, it.size); err != nil {
			if errors.Is(err, wire.ErrCorrupt) {
				err = p.protocolBreach(h, code, err)
			}
			return err
		}
	}
	b := p.batches[i]
	if b == nil {
		b = newBatch(p.at)
		p.batches[i] = b
	}
	if from != nil {
		b.keep(from)
	}
	b.items = append(b.items, it)
	return nil
}

func (p *pump) protocolBreach(h *Host, code uint64, err error) *Cause {
	return &Cause{
		Side: Local, Reason: wire.DiscProtocolError, Protocol: h.label(), Code: code, HasCode: true, Err: err,
	}
}

// reserve makes room in the arena for a payload of that size.
func (p *pump) reserve(size int) error {
	if p.arena != nil && p.used+size <= len(p.arena.b) {
		return nil
	}
	fresh, err := p.buffer(size)
	if err != nil {
		return err
	}
	if p.arena != nil {
		p.arena.release()
	}
	p.arena, p.used = fresh, 0
	return nil
}

// post delivers the batches to the hosts, which own them from then on.
func (p *pump) post() {
	l := p.link
	for i, b := range p.batches {
		if b == nil {
			continue
		}
		p.batches[i] = nil
		h := l.hosts[i]
		l.msgsIn.Add(uint64(len(b.items)))
		if l.feed.active() {
			p.publish(h, b)
		}
		h.credit.used.Add(b.seal())
		if h.inbox.put(b) {
			supervise.Send(l.root, h.PID(), &batchDue{})
		}
	}
	if p.arena != nil {
		p.arena.release()
		p.arena = nil
	}
}

func (p *pump) publish(h *Host, b *batch) {
	for i := range b.items {
		p.link.feed.publish(MessageEvent{
			Time: b.at, Link: p.link, Protocol: h.protocol.Cap(), Code: b.items[i].code, Size: b.items[i].size,
		})
	}
}

// dropBuffers releases what the pump holds when it ends.
func (p *pump) dropBuffers() {
	for i, b := range p.batches {
		if b != nil {
			b.free()
			p.batches[i] = nil
		}
	}
	for _, buf := range []*buffer{p.arena, p.buf} {
		if buf != nil {
			buf.release()
		}
	}
	p.arena, p.buf = nil, nil
}

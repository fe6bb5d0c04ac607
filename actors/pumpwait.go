package actors

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// heldFor is what a reader waits for that this node itself pauses.
type heldFor int32

const (
	heldForHost      heldFor = iota + 1 // the host whose budget is full
	heldForPongs                        // pongs that are not written
	heldForMemory                       // inbound memory of the node
	heldForAllowance                    // the allowance for what messages expand
)

// hold marks that this node itself pauses the reader; the remote's silence is not its fault then.
// The returned function ends the hold.
func (p *pump) hold(why heldFor) (end func()) {
	l := p.link
	since := l.now()
	l.heldFor.Store(int32(why))
	l.heldSince.Store(since)
	return func() {
		// The silence clock was stopped during the hold and resumes here.
		held := l.now() - since
		l.lastReceived.Add(held)
		if p.partial() != 0 {
			l.frameSince.Add(held)
		}
		l.heldSince.Store(0)
	}
}

// alarm starts a timer that the pump can select on.
func (p *pump) alarm() (ring chan struct{}, stop func() bool) {
	ring = make(chan struct{}, 1)
	t := p.link.watch.AfterFunc(p.link.clock, stallTimeout, func() { ring <- struct{}{} })
	return ring, t.Stop
}

// waitForCredit waits until a host has room for n more bytes. The caller has posted all messages
// opened so far.
func (p *pump) waitForCredit(h *Host, n int64) error {
	l := p.link
	defer p.hold(heldForHost)()
	defer l.wake.disarm()
	ring, stop := p.alarm()
	defer func() { stop() }()
	before := h.credit.used.Load()
	for {
		l.wake.arm(&h.credit, n)
		if h.credit.take(n) {
			return nil
		}
		select {
		case <-l.wake.channel():
		case <-l.context().Done():
			return errClosing
		case <-ring:
			// A slow protocol is not stalled. If the remote does not read, the write deadline
			// decides (R2).
			used := h.credit.used.Load()
			if used >= before && !h.paused.Load() {
				return h.cause(Local, wire.DiscSubprotocolError, ErrStalled)
			}
			before = used
			ring, stop = p.alarm()
		}
	}
}

// waitForPongs waits until few enough pings are unanswered.
func (p *pump) waitForPongs() error {
	l := p.link
	defer p.hold(heldForPongs)()
	l.wake.channel()
	for l.pongsDue.Load() > maxPongsDue {
		select {
		case <-l.wake.channel():
		case <-l.context().Done():
			return errClosing
		}
	}
	return nil
}

// buffer returns a buffer of at least n bytes that is charged to the node's pool, and waits for
// it if necessary. It posts the messages opened so far first; otherwise no host could release
// memory.
func (p *pump) buffer(n int) (*buffer, error) {
	l := p.link
	if buf := getCharged(n, l.pool); buf != nil {
		return buf, nil
	}
	p.post()
	defer p.hold(heldForMemory)()
	ring, stop := p.alarm()
	defer stop()
	for {
		free := l.pool.wait()
		if buf := getCharged(n, l.pool); buf != nil {
			return buf, nil
		}
		select {
		case <-free:
		case <-l.context().Done():
			return nil, errClosing
		case <-ring:
			return nil, &Cause{Side: Local, Reason: wire.DiscRequested, Err: fmt.Errorf("%w (%d bytes)", ErrMemory, l.pool.Cap())}
		}
	}
}

// partial returns the link time at which the current partial frame began; 0: there is none. Only
// the pump changes it.
func (p *pump) partial() int64 { return p.link.frameSince.Load() }

// makeRoom ensures that the read buffer has room for the rest of the current frame, and that an
// idle link holds no buffer (R5).
func (p *pump) makeRoom() error {
	have := p.end - p.start
	if have == 0 {
		if p.buf != nil {
			p.buf.release()
			p.buf = nil
		}
		p.start, p.end, p.want = 0, 0, 1
		return nil
	}
	now := max(1, int64(p.at.Sub(p.link.started)))
	if p.partial() == 0 {
		p.link.frameSince.Store(now)
	}
	if now-p.partial() > int64(frameTimeout) && now-p.link.frameBegan() > int64(frameTimeout) {
		return &Cause{Side: Local, Reason: wire.DiscReadTimeout, Err: fmt.Errorf("%w: %d of %d bytes", ErrSlowFrame, have, p.want)}
	}
	if p.start+p.want <= len(p.buf.b) {
		return nil
	}
	if p.want <= len(p.buf.b) && !p.buf.shared() {
		copy(p.buf.b, p.buf.b[p.start:p.end])
		p.start, p.end = 0, have
		return nil
	}
	if p.want > len(p.buf.b) && len(p.buf.b) >= largeBuffer && p.end < len(p.buf.b) {
		return nil // allocate a larger one when this one is full, not at every read
	}
	// Memory is committed as bytes arrive, not as the header claims them.
	size := min(p.want, max(largeBuffer, 4*have))
	if p.want <= smallBuffer && !p.big {
		size = smallBuffer
	}
	fresh, err := p.buffer(size)
	if err != nil {
		return err
	}
	copy(fresh.b, p.buf.b[p.start:p.end])
	p.buf.release()
	p.buf, p.start, p.end = fresh, 0, have
	return nil
}

// read reads once.
func (p *pump) read() error {
	l := p.link
	n, err := l.src.read(p)
	if n > 0 {
		p.at = l.clock.Now()
		received := max(1, int64(p.at.Sub(l.started)))
		p.quiet = time.Duration(received-l.lastReceived.Swap(received)) > coldAfter
		l.bytesIn.Add(uint64(n))
		p.big = n == len(p.room()) || p.big && n > smallBuffer
		p.end += n
		p.busy += n
		return nil
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && l.Cause() == nil: // by Link.interruptRead
		l.setReadDeadline(time.Time{})
		p.quiet = time.Duration(l.now()-l.lastReceived.Load()) >= coldAfter
		return nil
	case err == nil && p.buf == nil: // there was no memory to read into
		p.buf, err = p.buffer(p.readSize())
	}
	return err
}

// lostSince returns for how long this node did not run since a link time.
func (l *Link) lostSince(t int64) time.Duration { return l.watch.Lost(l.started.Add(time.Duration(t))) }

// frameBegan returns when the frame began that is not complete, later by the time for which this node
// did not run since then; 0: there is none.
func (l *Link) frameBegan() int64 {
	t := l.frameSince.Load()
	if t != 0 {
		t += int64(l.lostSince(t))
	}
	return t
}

// park frees what the pump can make again when something arrives.
func (p *pump) park() {
	p.dec.Park()
	p.link.readerWarm.Store(false)
}

func (p *pump) readSize() int {
	if p.big {
		return largeBuffer
	}
	return smallBuffer
}

// space implements intake. It returns the memory to read into, or nil if there is none now.
func (p *pump) space() []byte {
	if p.buf == nil {
		if p.buf = getCharged(p.readSize(), p.link.pool); p.buf == nil {
			return nil
		}
	}
	return p.room()
}

// room returns what one read may fill. It is not more than usual when the buffer is that of a
// large frame, so that the work on one read is not either.
func (p *pump) room() []byte { return p.buf.b[p.end:min(p.end+largeBuffer, len(p.buf.b))] }

// nothing implements intake. There was nothing to read, so an idle link releases its buffer while
// it waits.
func (p *pump) nothing() (wait bool) {
	p.busy = 0 // it waits in the poller, which lets all others run
	if p.buf != nil && p.end == p.start {
		p.buf.release()
		p.buf = nil
	}
	if p.buf != nil || p.waits == 0 {
		return true
	}
	p.waits--
	return false
}

// The limits of drain.
const (
	// drainFast is how many bytes a remote may have under way when it gets our Disconnect: more
	// than a frame of the largest size. What comes beyond them is a flood.
	drainFast = 32 << 20
	// drainPause slows the flood down: many of them would else take the whole processor, and
	// delay the end of the node.
	drainPause = 5 * time.Millisecond
)

// drain reads and discards what arrives while the Disconnect is sent. Closing a socket with
// unread bytes would reset it, and the remote would lose our Disconnect. The deadline that the
// peer has set ends it.
func (p *pump) drain() {
	buf := getBuffer(largeBuffer)
	defer buf.release()
	for read, busy := 0, 0; ; {
		n, err := p.link.conn.Read(buf.b)
		if err != nil {
			return // any error ends it
		}
		if read += n; read > drainFast {
			time.Sleep(drainPause)
		} else if busy += n; busy >= busyLimit {
			busy = 0
			supervise.Yield()
		}
	}
}

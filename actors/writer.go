package actors

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

// writeTimeout is how long a remote may accept not a single byte. A write reports accepted bytes
// only when it returns, so twenty writes share that time.
const (
	writeTimeout = 20 * time.Second
	writeSlice   = writeTimeout / 20
)

// writeTimedOut returns the error of a link whose remote accepted nothing for writeTimeout. held is
// what its reader waits for; 0: the reader reads. Only a reader that waits for what the remote
// does not read is backpressure of both sides: one that waits for memory or its allowance goes on by
// itself.
func writeTimedOut(held heldFor) error {
	switch held {
	case heldForHost, heldForPongs:
		return ErrMutualBackpressure
	case heldForMemory:
		return fmt.Errorf("%w, while our reader waits for inbound memory", ErrWriteTimeout)
	case heldForAllowance:
		return fmt.Errorf("%w, while our reader waits until the remote may send more that expands beyond measure", ErrWriteTimeout)
	}
	return ErrWriteTimeout
}

// frameWriter is the one writer of a connection: cipher and MAC advance with every frame, so
// there can be no second one. It owns sealed bytes until they are on the wire.
type frameWriter struct {
	link  *Link
	conn  io.Writer // the only reference with which a link can write (T2)
	enc   *wire.Encoder
	rest  []byte  // sealed and not yet written
	buf   *buffer // holds rest; nil when that memory is not pooled
	quiet bool    // the last write came after a long silence
}

// write seals laid-out frames in place and writes them. It takes as long as it needs, provided
// that the remote accepts some bytes every 20 s. It owns buf, which may be nil, from now on.
func (w *frameWriter) write(frames []byte, buf *buffer) error {
	if len(w.rest) > 0 {
		if buf != nil {
			buf.release()
		}
		return fmt.Errorf("%d sealed bytes were left unwritten", len(w.rest))
	}
	w.buf = buf
	w.link.writerWarm.Store(true)
	if err := w.enc.Seal(frames); err != nil {
		return err
	}
	w.rest = frames
	return w.flush(writeTimeout, writeSlice)
}

// drop discards sealed bytes: they are written, or the connection is gone.
func (w *frameWriter) drop() {
	w.rest = nil
	if w.buf != nil {
		w.buf.release()
		w.buf = nil
	}
}

// flush writes the sealed bytes. It fails after patience without progress, checked every slice,
// and at the link's final deadline, once that is set.
func (w *frameWriter) flush(patience, slice time.Duration) error {
	l := w.link
	l.writingSince.Store(l.now())
	for idle := time.Duration(0); len(w.rest) > 0; {
		l.setWriteDeadline(time.Now().Add(slice))
		began := l.now()
		n, err := w.conn.Write(w.rest)
		w.rest = w.rest[n:]
		l.bytesOut.Add(uint64(n))
		if idle += slice; n > 0 {
			idle = 0
			sent := l.now()
			l.writingSince.Store(sent)
			w.quiet = time.Duration(sent-l.lastSent.Swap(sent)) > coldAfter
		}
		if err == nil {
			continue
		}
		if idle > 0 && l.lostSince(began) != 0 {
			idle -= slice // this node did not run: the remote may have read, and this node not written
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || idle >= patience || l.finalDeadlineSet() {
			return err
		}
	}
	l.writingSince.Store(0)
	w.drop()
	if w.quiet {
		w.park()
	}
	return nil
}

// cool parks the encoder if nothing was written for some time.
func (w *frameWriter) cool() {
	if time.Duration(w.link.now()-w.link.lastSent.Load()) >= coldAfter {
		w.park()
	}
}

// park frees what the encoder can make again for the next frame.
func (w *frameWriter) park() {
	w.enc.Park()
	w.link.writerWarm.Store(false)
}

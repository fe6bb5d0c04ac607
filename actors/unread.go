package actors

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// notReadingAfter is how long a write must stand still before the remote counts as not reading.
const notReadingAfter = 5 * time.Second

// NotReadingError is the Err of a link's [Cause] if the remote had stopped reading when the link
// ended, whatever ended it: often one of the remote's protocols hangs, and what follows looks like
// a failure of the network.
type NotReadingError struct {
	Since   time.Time     // since when the connection has accepted no byte, up to 1 s late
	For     time.Duration // from then to the end of the link
	Waiting []Waiting     // this node's protocols that had something to send, by name; none if only a ping was to be sent
	Err     error         // what ended the link; nil where the reason is enough
}

// Waiting is what a protocol had sent and the connection had not accepted.
type Waiting struct {
	Protocol string // name/version
	Bytes    int    // on the wire; of the frames being written, all of them
}

func (e *NotReadingError) Error() string {
	var b strings.Builder
	if e.Err != nil {
		fmt.Fprintf(&b, "%v; ", e.Err)
	}
	fmt.Fprintf(&b, "the remote had read nothing for %v", e.For.Round(100*time.Millisecond))
	for i, w := range e.Waiting {
		before := ", "
		if i == 0 {
			before = " while these waited: "
		}
		fmt.Fprintf(&b, "%s%d bytes of %s", before, w.Bytes, w.Protocol)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *NotReadingError) Unwrap() error { return e.Err }

// standing returns whether a write stands still, and since when, in nanoseconds of the link's
// time. writing is when the current write began or last made progress, 0 without one, and lost the
// time for which this node itself did not run meanwhile.
func standing(now, writing, lost int64) (since int64, ok bool) {
	return writing, writing != 0 && lost == 0 && now-writing > int64(notReadingAfter)
}

// explainSilence adds how much the remote has not acknowledged to the cause of a link that ends because
// nothing arrives. The system takes some megabytes of a link's answers, so that a remote that asks and
// does not read may let no write stand still. When its own system has no room left, its TCP
// drops what would acknowledge our answers, and sends nothing more.
func (l *Link) explainSilence(c *Cause) *Cause {
	if !errors.Is(c.Err, ErrSlowFrame) && !errors.Is(c.Err, ErrPingTimeout) {
		return c
	}
	n := l.src.unacknowledged()
	if n == 0 {
		return c
	}
	explained := *c
	explained.Err = fmt.Errorf("%w; the remote has not acknowledged %d bytes", c.Err, n)
	return &explained
}

// explain adds to the cause of the link's end that the remote does not read, if that is so.
func (l *Link) explain(c *Cause) *Cause {
	now, writing := l.now(), l.writingSince.Load()
	since, ok := standing(now, writing, int64(l.lostSince(writing)))
	if !ok {
		return l.explainSilence(c)
	}
	e := &NotReadingError{Since: l.started.Add(time.Duration(since)), For: time.Duration(now - since), Err: c.Err}
	for _, h := range l.hosts {
		if n := int(h.writing.Load()) + h.outbox.fill(); n > 0 {
			e.Waiting = append(e.Waiting, Waiting{Protocol: h.label(), Bytes: n})
		}
	}
	explained := *c
	explained.Err = e
	return &explained
}

package actors

import "sync/atomic"

// credit bounds the bytes of one protocol that were read and are not yet handled
// (R1). The reader takes, the host gives back.
type credit struct {
	used  atomic.Int64
	limit int64
}

// take takes n bytes. A message larger than the whole budget is let in when
// nothing else of its protocol waits.
func (c *credit) take(n int64) bool {
	// The reader alone takes, so that between load and add used can only fall.
	if used := c.used.Load(); used > 0 && used+n > c.limit {
		return false
	}
	c.used.Add(n)
	return true
}

// give returns n bytes and wakes the reader if it waits for this protocol and
// enough came back. Waking it for every message would have it bring one message
// at a time.
func (c *credit) give(n int64, reader *wakeup) {
	used := c.used.Add(-n)
	if reader.waiting.Load() == c && used <= reader.below.Load() {
		select {
		case reader.ch <- struct{}{}:
		default:
		}
	}
}

// wakeup is where the one reader of a link waits for credit. It costs those who
// give an atomic load while the reader does not wait.
type wakeup struct {
	waiting atomic.Pointer[credit] // whose credit the reader waits for
	below   atomic.Int64           // wake it when so much is in use, or less
	ch      chan struct{}
}

// arm prepares to wait for n bytes of c. Ask take again between arm and the wait.
func (w *wakeup) arm(c *credit, n int64) {
	w.below.Store(max(0, min(c.limit/2, c.limit-n)))
	w.waiting.Store(c)
}

func (w *wakeup) disarm() { w.waiting.Store(nil) }

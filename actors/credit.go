package actors

import "sync/atomic"

// credit bounds the bytes of one protocol that were read and not yet handled (R1). The reader
// takes credit, the host returns it.
type credit struct {
	used  atomic.Int64
	limit int64
}

// take takes n bytes. A message larger than the whole budget passes if no other message of its
// protocol waits.
func (c *credit) take(n int64) bool {
	// Only the reader takes, so used can only fall between load and add.
	if used := c.used.Load(); used > 0 && used+n > c.limit {
		return false
	}
	c.used.Add(n)
	return true
}

// give returns n bytes. It wakes the reader if the reader waits for this protocol and enough came
// back; waking it for every message would make it read one message at a time.
func (c *credit) give(n int64, reader *wakeup) {
	used := c.used.Add(-n)
	if reader.waiting.Load() == c && used <= reader.below.Load() {
		reader.ring()
	}
}

// wakeup is where the one reader of a link waits for credit. While the reader does not wait, it
// costs a giver one atomic load.
type wakeup struct {
	waiting atomic.Pointer[credit] // the credit that the reader waits for
	below   atomic.Int64           // wake the reader when used is at most this
	ch      atomic.Pointer[chan struct{}]
}

// channel returns the channel that the reader waits at. It is made when the reader first waits.
func (w *wakeup) channel() <-chan struct{} {
	if ch := w.ch.Load(); ch != nil {
		return *ch
	}
	ch := make(chan struct{}, 1)
	w.ch.Store(&ch)
	return ch
}

// ring wakes the reader. A reader that has made no channel yet checks what it waits for once it
// has.
func (w *wakeup) ring() {
	if ch := w.ch.Load(); ch != nil {
		select {
		case *ch <- struct{}{}:
		default:
		}
	}
}

// arm prepares to wait for n bytes of c. Call take again between arm and the wait.
func (w *wakeup) arm(c *credit, n int64) {
	w.channel()
	w.below.Store(max(0, min(c.limit/2, c.limit-n)))
	w.waiting.Store(c)
}

func (w *wakeup) disarm() { w.waiting.Store(nil) }

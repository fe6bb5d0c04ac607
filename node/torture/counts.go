package torture

import (
	"sync"
	"sync/atomic"
)

// counts is what the attackers of one attack did in a phase, and how their connections ended. It
// is safe for concurrent use.
type counts struct {
	actions, failed, sent, received atomic.Uint64
	opened, closed                  atomic.Int64

	mu       sync.Mutex
	causes   tally
	finished bool
}

// ended counts the end of a connection.
func (c *counts) ended(cause string) {
	c.closed.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.causes == nil {
		c.causes = tally{}
	}
	c.causes[plain(cause)]++
}

// finish ends the phase. Later ends are not waited for.
func (c *counts) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = true
}

func (c *counts) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finished
}

// fill enters the counts in a result. words are those that name the attack.
func (c *counts) fill(r *Result, words []string) {
	r.Traffic = Traffic{Actions: c.actions.Load(), Failed: c.failed.Load(), Sent: c.sent.Load(), Received: c.received.Load()}
	r.Open = int(c.opened.Load() - c.closed.Load())
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Ends = c.causes.ends(words)
}

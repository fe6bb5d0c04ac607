package actors

import (
	"context"
	"testing"
)

// TestContextThatIsMadeAtTheEnd: a context that is asked for while the link ends has ended, whichever
// comes first.
func TestContextThatIsMadeAtTheEnd(t *testing.T) {
	ended := &Cause{Side: Network, Err: errReset}
	for name, during := range map[string]func(c *lazyContext){
		"the end comes before": func(c *lazyContext) { c.end(ended) },
		"the end comes amid": func(c *lazyContext) {
			if c.mu.TryLock() {
				t.Error("the cause is read without the lock: an end right after that would be missed")
				c.mu.Unlock()
			}
			go c.end(ended) // waits for the lock
		},
	} {
		var c lazyContext
		var cause *Cause
		if name == "the end comes before" {
			cause = ended
			during(&c)
		}
		ctx := c.get(func() *Cause {
			if cause == nil {
				during(&c)
			}
			return cause
		})
		<-ctx.Done()
		if got := context.Cause(ctx); got != ended {
			t.Errorf("%s: cause %v", name, got)
		}
	}
}

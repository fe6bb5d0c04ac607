package actors

import (
	"context"
	"sync"
)

// lazyContext is a context that is made when it is first needed: most links never need theirs, and a
// context that can be cancelled has a hundred bytes. The zero value has not ended.
type lazyContext struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// get returns the context. cause returns what it has ended with, or nil. It is called under the lock: of
// get and end the later one sees what the other did.
func (c *lazyContext) get(cause func() *Cause) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancelCause(context.Background())
	}
	if ended := cause(); ended != nil {
		c.cancel(ended)
	}
	return c.ctx
}

// end cancels the context. What get calls returns the cause already.
func (c *lazyContext) end(cause *Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(cause)
	}
}

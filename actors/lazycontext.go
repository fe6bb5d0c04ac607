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

// get returns the context. cause is not nil if it has ended already.
func (c *lazyContext) get(cause *Cause) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancelCause(context.Background())
	}
	if cause != nil {
		c.cancel(cause)
	}
	return c.ctx
}

// end cancels the context. get must get the same cause from now on.
func (c *lazyContext) end(cause *Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(cause)
	}
}

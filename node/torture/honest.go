package torture

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// answerTimeout is how long an honest link waits for one answer. It is longer than the node's own
// deadlines, so that a node which stands still shows as a gap.
const answerTimeout = 2 * time.Minute

// crowd is the honest links. Each sends a ping when the last one is answered, for as long as it
// lives. A link that ends is counted, and made again.
type crowd struct {
	node   *owner
	from   []netip.Addr
	meters []*meter
	up     []atomic.Bool
	lost   atomic.Int64
	refuse atomic.Pointer[error] // why the last attempt to connect failed
	work   sync.WaitGroup
}

// gather starts the honest links. They end with ctx.
func gather(ctx context.Context, node *owner, links int, from []netip.Addr) *crowd {
	c := &crowd{node: node, from: from, meters: make([]*meter, links), up: make([]atomic.Bool, links)}
	for i := range links {
		c.meters[i] = &meter{last: time.Now()}
		c.work.Go(func() { c.live(ctx, i) })
	}
	return c
}

// complete returns how many links are up.
func (c *crowd) complete() (up int) {
	for i := range c.up {
		if c.up[i].Load() {
			up++
		}
	}
	return up
}

// live keeps one link.
func (c *crowd) live(ctx context.Context, i int) {
	for pause := 200 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 10*time.Second) {
		s, err := c.connect(ctx, i)
		if err != nil {
			c.refuse.Store(&err)
			sleep(ctx, pause)
			continue
		}
		pause = 100 * time.Millisecond
		c.up[i].Store(true)
		c.converse(ctx, s, c.meters[i])
		c.up[i].Store(false)
		if ctx.Err() == nil {
			c.lost.Add(1)
		}
	}
}

func (c *crowd) connect(ctx context.Context, i int) (*session, error) {
	raw, err := c.node.dial(ctx, pick(c.from, i))
	if err != nil {
		return nil, err
	}
	s, err := newSession(raw, freshKey(), c.node.Node.Pubkey(), c.node.speak())
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return s, nil
}

// converse sends pings and waits for the answers, until the link or ctx ends.
func (c *crowd) converse(ctx context.Context, s *session, m *meter) {
	defer s.Close()
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	p := ping
	if c.node.speak().Name == "bench" {
		p = echo(32)
	}
	for {
		if s.SetDeadline(time.Now().Add(answerTimeout)) != nil || s.send(1, p.ask, p.payload) != nil {
			return
		}
		if _, err := s.await(p.answer); err != nil {
			return
		}
		m.answered(time.Now())
	}
}

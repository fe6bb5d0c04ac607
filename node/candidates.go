package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// maxCredit bounds what whoever asks for candidates may have outstanding.
const maxCredit = 1024

// candidates reads Config.Candidates as fast as the dialer asks for them. The iterator
// blocks, so a goroutine reads it, one node at a time; n.reading keeps those of two
// incarnations apart.
type candidates struct {
	n       *Node
	to      *actor.PID
	credit  int
	reading bool // a goroutine of this incarnation is
	ended   bool // there are no more
}

func (n *Node) candidatesProps() *actor.Props {
	return n.props(func() actor.Actor { return &candidates{n: n} })
}

func (c *candidates) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *wantNodes:
		c.to, c.credit = msg.to, min(msg.n, maxCredit)
	case *nextNode:
		c.reading, c.ended = false, msg.node == nil
		if !c.ended && c.credit > 0 {
			c.credit--
			actors.Send(ctx, c.to, &foundNode{node: msg.node})
		}
	case *actor.Stopping:
		c.n.cfg.Candidates.Close() // which ends the goroutine
		return
	default:
		return
	}
	c.read(ctx)
}

// read begins to read the next node, if somebody waits for it.
func (c *candidates) read(ctx actor.Context) {
	if c.credit <= 0 || c.reading || c.ended {
		return
	}
	c.reading = true
	n, self, root := c.n, ctx.Self(), ctx.ActorSystem().Root
	n.background(self, func() {
		n.reading.Lock()
		defer n.reading.Unlock()
		next := &nextNode{}
		if n.cfg.Candidates.Next() {
			next.node = n.cfg.Candidates.Node()
		}
		actors.Send(root, self, next)
	})
}

package node

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// sourceConfig is the source of candidates from Config.Candidates.
const sourceConfig = "config"

// candidates reads Config.Candidates as fast as the dialer asks for them, in the terms of
// the discovery actor. The iterator blocks, so a goroutine reads it, one node at a time;
// Node.reading keeps those of two incarnations apart.
type candidates struct {
	n       *Node
	to      *actor.PID
	credit  int
	reading bool // a goroutine of this incarnation is
	ended   bool // there are no more
}

func (n *Node) candidatesProps() *actor.Props {
	return n.rt.Props(func() actor.Actor { return &candidates{n: n} })
}

func (c *candidates) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *discovery.Request:
		c.request(msg)
	case *nextNode:
		c.next(ctx, msg.node)
	case *actor.Stopping:
		c.n.cfg.Candidates.Close() // which ends the goroutine
		return
	default:
		return
	}
	c.read(ctx)
}

func (c *candidates) request(msg *discovery.Request) {
	if c.to = msg.To; msg.N <= 0 {
		c.credit = 0
		return
	}
	c.credit = min(c.credit+msg.N, discovery.MaxCredit)
}

// next passes a node on. One that nobody waits for any more is dropped.
func (c *candidates) next(ctx actor.Context, found *enode.Node) {
	c.reading, c.ended = false, found == nil
	if !c.ended && c.credit > 0 {
		c.credit--
		supervise.Send(ctx, c.to, &discovery.Candidate{Node: found, Source: sourceConfig})
	}
}

// read begins to read the next node, if somebody waits for it.
func (c *candidates) read(ctx actor.Context) {
	if c.credit <= 0 || c.reading || c.ended {
		return
	}
	c.reading = true
	n, self, root := c.n, ctx.Self(), ctx.ActorSystem().Root
	n.rt.Go(self, func() {
		n.reading.Lock()
		defer n.reading.Unlock()
		next := &nextNode{}
		if n.cfg.Candidates.Next() {
			next.node = n.cfg.Candidates.Node()
		}
		supervise.Send(root, self, next)
	})
}

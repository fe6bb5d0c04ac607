package dial

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// sourceConfig is the source of candidates from Config.Candidates.
const sourceConfig = "config"

// iterator reads Config.Candidates as fast as the dialer requests nodes. It uses the messages
// of the discovery actor. Reading blocks, so a goroutine does it, one node at a time. After a
// crash the earlier goroutine may still read, and the new incarnation gets its node: so there is
// never a second goroutine.
type iterator struct {
	*Dialer
	to     *actor.PID
	credit int
	ended  bool // there are no more nodes
}

// IteratorProps makes the actor that reads Config.Candidates.
func (d *Dialer) IteratorProps() *actor.Props {
	return d.Runtime.Props(func() actor.Actor { return &iterator{Dialer: d} })
}

func (i *iterator) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *discovery.Request:
		i.request(msg)
	case *nextNode:
		i.next(ctx, msg.node)
	case *actor.Stopping:
		i.Candidates.Close() // which ends the goroutine
		return
	default:
		return
	}
	i.read(ctx)
}

func (i *iterator) request(msg *discovery.Request) {
	if i.to = msg.To; msg.N <= 0 {
		i.credit = 0
		return
	}
	i.credit = min(i.credit+msg.N, discovery.MaxCredit)
}

// next forwards a node to the dialer. It drops a node that the dialer no longer needs.
func (i *iterator) next(ctx actor.Context, found *enode.Node) {
	i.ended = found == nil
	if !i.ended && i.credit > 0 {
		i.credit--
		supervise.Send(ctx, i.to, &discovery.Candidate{Node: found, Source: sourceConfig})
	}
}

// read begins to read the next node, if the dialer has requested one.
func (i *iterator) read(ctx actor.Context) {
	if i.credit <= 0 || i.ended || !i.reading.CompareAndSwap(false, true) {
		return
	}
	d, self := i.Dialer, ctx.Self()
	d.Runtime.Go(self, func() {
		next := &nextNode{}
		func() {
			defer d.reading.Store(false) // also after a panic, and before the actor reads again
			if d.Candidates.Next() {
				next.node = d.Candidates.Node()
			}
		}()
		d.Runtime.Send(self, next)
	})
}

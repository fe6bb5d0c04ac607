package crawl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/wire"
)

// visitTime bounds a visit. The steps have deadlines of their own; that of connecting is
// longer, because a node wants its peers more than we want one more line.
const visitTime = 15 * time.Second

// visit is a handshake with one node, in a goroutine.
type visit struct {
	*shared
	node   *enode.Node
	cancel context.CancelFunc
}

func (v *visit) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		v.start(ctx)
	case *visitDone:
		supervise.Send(ctx, ctx.Parent(), msg) // who stops us
	case *actor.Stopping:
		v.cancel()
	}
}

func (v *visit) start(ctx actor.Context) {
	visiting, cancel := context.WithTimeout(context.Background(), visitTime)
	v.cancel = cancel
	root, self := ctx.ActorSystem().Root, ctx.Self()
	v.visits.Add(1)
	supervise.Go(root, self, func() {
		defer v.visits.Done()
		r, err := v.Visit(visiting, v.node)
		if late := context.Cause(visiting); err != nil && late != nil {
			err = fmt.Errorf("%w: %w", late, err) // which says how far it came
		}
		supervise.Send(root, self, &visitDone{by: self, report: reportOf(v.node, v.Clock.Now(), r, err)})
	})
}

// reportOf puts in the database's terms what a ping has found out.
func reportOf(n *enode.Node, now time.Time, r node.PingResult, err error) report {
	out := report{node: n, at: now, outcome: outcomeOf(err), hello: r.Hello, connect: r.Connect, rtt: r.RTT}
	if !r.Addr.IsValid() {
		out.connect = 0 // it is how long we waited in vain
	}
	if err != nil {
		out.err = clean(err.Error(), maxError)
	}
	var refused *wire.RemoteDisconnect
	if errors.As(err, &refused) {
		out.reason = &refused.Reason
	}
	return out
}

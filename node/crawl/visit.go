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

// visitTime limits a visit. The steps of node.Ping have their own deadlines, but the one
// for connecting is longer: a node needs peers more than a crawl needs one more result.
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
		supervise.Send(ctx, ctx.Parent(), msg) // the parent stops this actor
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
		if late := context.Cause(visiting); err != nil && late != nil && !errors.Is(err, late) {
			err = fmt.Errorf("%w: %w", late, err) // err contains the step that was reached
		}
		supervise.Send(root, self, &visitDone{by: self, report: reportOf(v.node, v.Clock.Now(), r, err)})
	})
}

// reportOf makes the report of a ping's result.
func reportOf(n *enode.Node, now time.Time, r node.PingResult, err error) report {
	out := report{node: n, at: now, outcome: outcomeOf(err), hello: r.Hello, connect: r.Connect, rtt: r.RTT}
	if !r.Addr.IsValid() {
		out.connect = 0 // the connection failed; r.Connect is only the time until then
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

package protocols_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestGoInAService: a panic of a service's goroutine is a crash of the service, and ends no link.
func TestGoInAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int64
		spec := talk(idle)
		spec.Service = func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*actor.Started); ok && starts.Add(1) == 1 {
					protocols.Go(ctx, func() { panic("in a goroutine") })
				}
			})
		}
		p := protocoltest.NewPair(t, spec, byHand())
		synctest.Wait()
		if n := starts.Load(); n != 2 {
			t.Errorf("the service started %d times, want twice", n)
		}
		if p.A.Link.Context().Err() != nil {
			t.Error("the link has ended")
		}
	})
}

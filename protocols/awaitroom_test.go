package protocols_test

import (
	"crypto/rand"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestAwaitRoom: an actor that waits for room gets one Drained, once the remote has read enough.
func TestAwaitRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sent = 2
		drained := 0
		incompressible := make([]byte, 400<<10)
		_, _ = rand.Read(incompressible)
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			switch ctx.Message().(type) {
			case nudge:
				for range sent { // nothing of them is written before the turn ends
					if err := link.Shared().Send(&text{B: incompressible}); err != nil {
						t.Error(err)
					}
				}
				if link.AwaitRoom(512 << 10) {
					t.Error("there is room at once")
				}
			case *protocols.Drained:
				drained++
				if !link.AwaitRoom(512 << 10) {
					t.Error("no room after Drained")
				}
			}
		})
		p := protocoltest.NewPair(t, spec, byHand(), protocoltest.Buffer(64<<10))
		p.B.Pause()
		p.A.Tell(p.A.Self(), nudge{})
		synctest.Wait()
		if drained != 0 {
			t.Error("Drained before the remote reads")
		}
		p.B.Resume()
		for range sent {
			protocoltest.Next[text](p.B)
		}
		synctest.Wait()
		if drained != 1 {
			t.Errorf("%d times Drained, want once", drained)
		}
	})
}

package actors

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// TestR1WaitForMemoryIsNoSilence: while the reader waits for the node's memory the remote can't be
// heard, so that time does not count as its silence.
func TestR1WaitForMemoryIsNoSilence(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const busy = stallTimeout - time.Second
		n := newNode(t)
		n.pool = NewPool(smallBuffer) // the message at hand pins all of it
		s := &script{}
		s.message = func(actor.Context, Inbound) error { <-time.After(busy); return nil }
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, s.protocol("a"))
		begin := time.Now()
		r.send(16, noise(100))
		actortest.After(time.Second)
		if r.link.heldSince.Load() == 0 {
			t.Error("the reader does not wait for memory")
		}
		actortest.After(busy)
		if r.link.heldSince.Load() != 0 {
			t.Error("the reader still waits for memory")
		}
		r.expectDisconnect(wire.DiscReadTimeout)
		if took := time.Since(begin); took != busy+silenceLimit {
			t.Errorf("dropped after %v, want %v", took, busy+silenceLimit)
		}
		r.conn.Close()
		r.wantCause(Local, wire.DiscReadTimeout, ErrPingTimeout)
	})
}

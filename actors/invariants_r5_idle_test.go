package actors

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// stoppedClock is a clock that stands still. Its timers run in real time.
type stoppedClock struct {
	supervise.Clock
	at time.Time
}

func (c stoppedClock) Now() time.Time { return c.at }

// TestR5WaitingLinkHoldsNoBuffer: a link returns its read buffer as soon as the socket has
// nothing to read, and not only when the link has become quiet. The clock stands still, so the
// link never becomes quiet and no ping wakes its reader.
func TestR5WaitingLinkHoldsNoBuffer(t *testing.T) {
	before := buffersOut.Load()
	n := newNode(t)
	n.clock = stoppedClock{supervise.SystemClock, time.Now()}
	handled := make(chan struct{}, 1)
	s := &script{}
	s.message = func(actor.Context, Inbound) error { handled <- struct{}{}; return nil }
	ours, theirs := tcpPipe(t)
	r := meetOver(t, n, ours, theirs, s.protocol("a"))
	holdsNothing := func(when string) {
		t.Helper()
		actortest.Eventually(t, "no buffer is held "+when, func() bool {
			return buffersOut.Load() == before && n.pool.Used() == 0
		})
	}
	holdsNothing("before the first message")
	for _, size := range []int{0, 100, 2 * smallBuffer, largeBuffer, 3 * largeBuffer} {
		r.send(16, noise(size))
		<-handled
		holdsNothing(string(text("after a message of %d bytes", size)))
	}
	if sent := r.link.Stats().BytesOut; sent != 0 {
		t.Errorf("the link sent %d bytes; a ping may have woken its reader", sent)
	}
}

package actors

import (
	"testing"
	"testing/synctest"
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

// The time for which the reader waits for memory does not count against a frame that has begun
// either: the frame gets its 30 s from the remote.
func TestR1WaitForMemoryIsNoSlowFrame(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		n := newNode(t)
		got := 0
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error { got = len(in.Payload); return nil }
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, s.protocol("a"))
		const size = 300_000
		frame := r.seal(16, noise(size))
		sent := 0
		for _, upTo := range []int{100, largeBuffer} { // what fills a buffer, so that a larger one is due
			synctest.Wait()
			rest := n.pool.Cap() - n.pool.Used()
			if !n.pool.take(rest) {
				t.Fatal("the pool is not free")
			}
			r.write(frame[sent:upTo])
			sent = upTo
			actortest.After(stallTimeout - time.Second)
			if r.link.heldSince.Load() == 0 {
				t.Errorf("after %d bytes the reader does not wait for memory", sent)
			}
			n.pool.give(rest)
		}
		if took := time.Since(r.link.Started()); took <= frameTimeout {
			t.Fatalf("the frame was held back for %v, want more than %v", took, frameTimeout)
		}
		r.write(frame[sent:])
		synctest.Wait()
		if c := r.link.Cause(); c != nil || got != size {
			t.Errorf("a message of %d bytes arrived, want %d; ended: %v", got, size, c)
		}
		r.conn.Close()
	})
}

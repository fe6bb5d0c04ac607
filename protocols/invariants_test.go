package protocols_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// These tests check the read path's invariants R1 to R7 (ARCHITECTURE.md) as the author of a
// protocol sees them, on whole links in simulated time.

const lineSize = 8 << 10

// noisy makes a line that snappy can't compress.
func noisy(n uint64) *fixture.Line {
	text := make([]byte, lineSize)
	x := n*2654435761 + 1
	for i := range text {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		text[i] = byte(x)
	}
	return &fixture.Line{N: n, Text: text}
}

// fill sends lines until the outbox is full and stays full, and returns how many were
// accepted.
func fill(t *testing.T, e *protocoltest.End) (sent uint64) {
	t.Helper()
	for {
		switch err := e.Send(noisy(sent)); err {
		case nil:
			sent++
			continue
		case protocols.ErrOutboxFull:
		default:
			t.Fatal(err)
		}
		before := sent
		synctest.Wait()
		if e.Send(noisy(sent)) == nil {
			sent++
		}
		if sent == before {
			return sent
		}
	}
}

// TestR1InboundStaysWithinTheBudget: what a sleeping protocol has not handled stays within its
// budget; beyond it the reader stops. Everything that was accepted arrives in the end.
func TestR1InboundStaysWithinTheBudget(t *testing.T) {
	for _, budget := range []int64{64 << 10, 512 << 10} {
		synctest.Test(t, func(t *testing.T) {
			awake := make(chan struct{})
			var got atomic.Uint64
			sleeper := fixture.Lines("r1", func() actor.ReceiveFunc {
				return func(ctx actor.Context) {
					if _, ok := ctx.Message().(*fixture.Line); ok {
						<-awake
						got.Add(1)
					}
				}
			})
			sleeper.Limits.Inbound = budget
			sender := protocoltest.ByHand(fixture.Lines("r1", nil))
			sender.Limits.Outbox = 64 << 10
			p := protocoltest.NewPair(t, sender, sleeper, protocoltest.Buffer(16<<10))
			sent := fill(t, p.A)
			// The budget, one message beyond it, the reader's and the writer's buffers, the
			// connection's, and the sender's outbox.
			if most := budget + lineSize + 2*(72<<10) + 16<<10 + 64<<10; int64(sent*lineSize) > most {
				t.Errorf("budget %d: %d bytes were accepted, want at most %d", budget, sent*lineSize, most)
			}
			// A buffer counts as a whole, even if a read has filled little of it.
			if least := budget / 8; int64(sent*lineSize) < least {
				t.Errorf("budget %d: only %d bytes were accepted", budget, sent*lineSize)
			}
			close(awake)
			synctest.Wait()
			if got.Load() != sent {
				t.Errorf("%d of %d messages arrived", got.Load(), sent)
			}
		})
	}
}

// TestR2RemoteThatDoesNotReadIsNotFed: the requests of a remote that does not read its answers
// are no longer handled, and no answer is lost when it reads in the end.
func TestR2RemoteThatDoesNotReadIsNotFed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, refused atomic.Uint64
		answers := fixture.Lines("r2", func() actor.ReceiveFunc {
			var link *protocols.Link
			return func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case *fixture.Line:
					asked.Add(1)
					if link.Send(&fixture.Reply{N: msg.N, Text: noisy(msg.N).Text}) != nil {
						refused.Add(1)
					}
				}
			}
		})
		answers.Limits = protocols.Limits{Outbox: 256 << 10, HighWater: 64 << 10, Inbound: 1 << 20}
		var replies atomic.Uint64
		asker := fixture.Lines("r2", func() actor.ReceiveFunc {
			return func(ctx actor.Context) {
				if msg, ok := ctx.Message().(*fixture.Reply); ok && msg.N == replies.Load() {
					replies.Add(1)
				}
			}
		})
		p := protocoltest.NewPair(t, asker, answers, protocoltest.Buffer(16<<10))
		p.A.Pause()
		const questions = 200
		for n := range uint64(questions) {
			for p.A.Send(&fixture.Line{N: n}) != nil {
				synctest.Wait()
			}
		}
		synctest.Wait()
		// High water, one answer beyond it, the 64 KiB that are being written, the connection.
		if most := uint64(64<<10+lineSize+72<<10+16<<10) / lineSize; asked.Load() > most+2 {
			t.Errorf("%d requests were handled, want at most %d", asked.Load(), most)
		}
		p.A.Resume()
		synctest.Wait()
		if replies.Load() != questions || refused.Load() != 0 {
			t.Errorf("%d of %d replies came in order, %d were refused", replies.Load(), questions, refused.Load())
		}
	})
}

// TestR3OrderIsKept: messages are handled in the order in which they were sent, across reads,
// batches, restarts, and pauses because the remote does not read.
func TestR3OrderIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next, wrong atomic.Uint64
		spec := fixture.Lines("r3", func() actor.ReceiveFunc {
			var link *protocols.Link
			return func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case *fixture.Line:
					if msg.N != next.Load() {
						wrong.Add(1)
					}
					next.Store(msg.N + 1)
					if err := link.Send(&fixture.Reply{Text: noisy(msg.N).Text}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		// The budget has room for everything that waits, so that the asker is never held back.
		spec.Limits = protocols.Limits{HighWater: 16 << 10, Inbound: 64 << 20}
		mute := fixture.Lines("r3", func() actor.ReceiveFunc { return func(actor.Context) {} })
		p := protocoltest.NewPair(t, mute, spec, protocoltest.Buffer(10_000))
		const count = 300
		for n := range uint64(count) {
			if n%50 == 0 {
				p.A.Pause()
			}
			if err := p.A.Send(&fixture.Line{N: n, Text: bytes.Repeat([]byte{byte(n)}, int(n*n%5000))}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // so that each message is a read and a batch of its own
			if n%50 == 49 {
				p.A.Resume()
				p.B.Crash()
			}
		}
		synctest.Wait()
		if next.Load() != count || wrong.Load() != 0 {
			t.Errorf("%d of %d messages came, %d out of order", next.Load(), count, wrong.Load())
		}
	})
}

// TestR4CrashLosesOneMessage: a crash loses the message being handled. It does not lose those
// behind it in the batch, or what was sent before it.
func TestR4CrashLosesOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := fixture.Lines("r4", func() actor.ReceiveFunc {
			var link *protocols.Link
			return func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case *fixture.Line:
					if err := link.Send(&fixture.Reply{N: msg.N}); err != nil {
						t.Error(err)
					}
					if msg.N == 3 {
						panic("three")
					}
				}
			}
		})
		p := protocoltest.NewPair(t, protocoltest.ByHand(fixture.Lines("r4", nil)), spec)
		for n := range uint64(8) {
			if err := p.A.Send(&fixture.Line{N: n}); err != nil {
				t.Fatal(err)
			}
		}
		// The answer to 3 is among them: it was sent before the crash.
		for n := range uint64(8) {
			if r := protocoltest.Next[fixture.Reply](p.A); r.N != n {
				t.Fatalf("reply %d, want %d", r.N, n)
			}
		}
		if got := p.B.Restarts(); got != 1 {
			t.Errorf("%d restarts", got)
		}
	})
}

// TestR5PayloadIsTheHandlersUntilItReturns: a raw payload does not change until Receive
// returns, however much arrives in between.
func TestR5PayloadIsTheHandlersUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changed, got atomic.Uint64
		raw := protocols.Spec{
			Name:     "r5",
			Versions: []protocols.Version{{Number: 1, Length: 1, Messages: []protocols.Message{protocols.Raw()}}},
			New: func() actor.Actor {
				return actor.ReceiveFunc(func(ctx actor.Context) {
					if msg, ok := ctx.Message().(*protocols.RawMessage); ok {
						before := bytes.Clone(msg.Payload)
						time.Sleep(time.Millisecond) // more arrives, and must be read into other memory
						if !bytes.Equal(before, msg.Payload) {
							changed.Add(1)
						}
						got.Add(1)
					}
				})
			},
		}
		p := protocoltest.NewPair(t, protocoltest.ByHand(raw), raw, protocoltest.Buffer(30_000))
		const count = 400
		for n := range uint64(count) {
			msg := &protocols.RawMessage{Payload: noisy(n).Text[:1+n*19%lineSize]}
			for p.A.Send(msg) != nil {
				synctest.Wait()
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(count * time.Millisecond * 2)
		if got.Load() != count || changed.Load() != 0 {
			t.Errorf("%d of %d messages came, %d changed while they were handled", got.Load(), count, changed.Load())
		}
	})
}

// TestR6StalledProtocolIsNamed: a protocol without progress for 20 s ends its link, and the
// cause names it; a slow protocol does not end it.
func TestR6StalledProtocolIsNamed(t *testing.T) {
	for _, tc := range []struct {
		each    time.Duration // for one message
		stalled bool
	}{{time.Second, false}, {time.Hour, true}} {
		synctest.Test(t, func(t *testing.T) {
			quit := make(chan struct{})
			spec := fixture.Lines("r6", func() actor.ReceiveFunc {
				return func(ctx actor.Context) {
					if _, ok := ctx.Message().(*fixture.Line); ok {
						select {
						case <-time.After(tc.each):
						case <-quit:
						}
					}
				}
			})
			spec.Limits.Inbound = 32 << 10
			p := protocoltest.NewPair(t, protocoltest.ByHand(fixture.Lines("r6", nil)), spec, protocoltest.Buffer(10_000))
			fill(t, p.A)
			time.Sleep(19 * time.Second)
			if p.B.Cause() != nil {
				t.Errorf("the link ended before 20 s: %v", p.B.Cause())
			}
			time.Sleep(6 * time.Second)
			cause := p.B.Cause()
			if stalled := cause != nil && errors.Is(cause.Err, actors.ErrStalled) && cause.Protocol == "r6/1"; stalled != tc.stalled {
				t.Errorf("with %v for each message the cause is %v", tc.each, cause)
			}
			if tc.stalled && cause.Reason != wire.DiscSubprotocolError {
				t.Errorf("reason: %v", cause.Reason)
			}
			close(quit)
		})
	}
}

// TestR7RefusedOnceDrainedOnce: a full outbox refuses messages, queues nothing of them, and
// reports once that it has drained.
func TestR7RefusedOnceDrainedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var drained atomic.Int64
		sender := fixture.Lines("r7", func() actor.ReceiveFunc {
			return func(ctx actor.Context) {
				if _, ok := ctx.Message().(*protocols.Drained); ok {
					drained.Add(1)
				}
			}
		})
		sender.Limits.Outbox = 128 << 10
		var got atomic.Uint64
		var wrong atomic.Pointer[string]
		reader := fixture.Lines("r7", func() actor.ReceiveFunc {
			return func(ctx actor.Context) {
				if msg, ok := ctx.Message().(*fixture.Line); ok {
					if n := got.Add(1) - 1; msg.N != n {
						text := fmt.Sprintf("line %d came at place %d", msg.N, n)
						wrong.Store(&text)
					}
				}
			}
		})
		p := protocoltest.NewPair(t, sender, reader, protocoltest.Buffer(10_000))
		p.B.Pause()
		sent := fill(t, p.A)
		for range 10 {
			if err := p.A.Send(noisy(sent)); err != protocols.ErrOutboxFull {
				t.Fatalf("Send to a full outbox: %v, want %v", err, protocols.ErrOutboxFull)
			}
		}
		synctest.Wait()
		if drained.Load() != 0 {
			t.Error("Drained came while the remote does not read")
		}
		p.B.Resume()
		synctest.Wait()
		if drained.Load() != 1 {
			t.Errorf("%d Drained came, want 1", drained.Load())
		}
		if got.Load() != sent {
			t.Errorf("%d of %d lines came", got.Load(), sent)
		}
		if text := wrong.Load(); text != nil {
			t.Error(*text)
		}
	})
}

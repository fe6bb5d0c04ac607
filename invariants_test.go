package troupe_test

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
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// The read path's invariants R1 to R7 (ARCHITECTURE.md) as a protocol's author
// meets them, on whole links; synctest's clock shows time without spending it.

const lineSize = 8 << 10

// noisy is a line that snappy can't make shorter.
func noisy(n uint64) *Line {
	text := make([]byte, lineSize)
	x := n*2654435761 + 1
	for i := range text {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		text[i] = byte(x)
	}
	return &Line{N: n, Text: text}
}

// fill sends lines until the outbox is full and nothing moves any more, and says
// how many were taken.
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

// What a sleeping protocol has not handled stays within its budget; beyond it the
// remote is not read any more. All that was taken arrives in the end.
func TestR1InboundStaysWithinTheBudget(t *testing.T) {
	for _, budget := range []int64{64 << 10, 512 << 10} {
		synctest.Test(t, func(t *testing.T) {
			awake := make(chan struct{})
			var got atomic.Uint64
			sleeper := lines("r1", func() behave {
				return func(ctx actor.Context) {
					if _, ok := ctx.Message().(*Line); ok {
						<-awake
						got.Add(1)
					}
				}
			})
			sleeper.Limits.Inbound = budget
			sender := protocoltest.ByHand(lines("r1", nil))
			sender.Limits.Outbox = 64 << 10
			p := protocoltest.NewPair(t, sender, sleeper, protocoltest.Buffer(16<<10))
			sent := fill(t, p.A)
			// The budget, one message beyond it, both buffers of reading and writing, the
			// connection's, and the sender's outbox.
			if most := budget + lineSize + 2*(72<<10) + 16<<10 + 64<<10; int64(sent*lineSize) > most {
				t.Errorf("budget %d: %d bytes were taken, %d at most", budget, sent*lineSize, most)
			}
			// Buffers count as a whole, however little of them a read has filled.
			if least := budget / 8; int64(sent*lineSize) < least {
				t.Errorf("budget %d: only %d bytes were taken", budget, sent*lineSize)
			}
			close(awake)
			synctest.Wait()
			if got.Load() != sent {
				t.Errorf("%d messages arrived of %d", got.Load(), sent)
			}
		})
	}
}

// A remote that asks and never reads its answers is not listened to any more, and
// no answer is lost when it reads at last.
func TestR2WhoDoesNotReadIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, refused atomic.Uint64
		answers := lines("r2", func() behave {
			var link *protocols.Link
			return func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case *Line:
					asked.Add(1)
					if link.Send(&Reply{N: msg.N, Text: noisy(msg.N).Text}) != nil {
						refused.Add(1)
					}
				}
			}
		})
		answers.Limits = protocols.Limits{Outbox: 256 << 10, HighWater: 64 << 10, Inbound: 1 << 20}
		var replies atomic.Uint64
		asker := lines("r2", func() behave {
			return func(ctx actor.Context) {
				if msg, ok := ctx.Message().(*Reply); ok && msg.N == replies.Load() {
					replies.Add(1)
				}
			}
		})
		p := protocoltest.NewPair(t, asker, answers, protocoltest.Buffer(16<<10))
		p.A.Pause()
		const questions = 200
		for n := range uint64(questions) {
			for p.A.Send(&Line{N: n}) != nil {
				synctest.Wait()
			}
		}
		synctest.Wait()
		// High water, one answer beyond it, the quantum being written, the connection.
		if most := uint64(64<<10+lineSize+72<<10+16<<10) / lineSize; asked.Load() > most+2 {
			t.Errorf("%d questions were delivered, %d at most", asked.Load(), most)
		}
		p.A.Resume()
		synctest.Wait()
		if replies.Load() != questions || refused.Load() != 0 {
			t.Errorf("%d replies in order of %d, %d refused", replies.Load(), questions, refused.Load())
		}
	})
}

// Messages are handled in the order in which they were sent, across reads, batches,
// restarts, and times in which nothing is fed because the remote does not read.
func TestR3OrderIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next, wrong atomic.Uint64
		spec := lines("r3", func() behave {
			var link *protocols.Link
			return func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case *Line:
					if msg.N != next.Load() {
						wrong.Add(1)
					}
					next.Store(msg.N + 1)
					if err := link.Send(&Reply{Text: noisy(msg.N).Text}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		// Room for all that waits, so that the asker is never held up itself.
		spec.Limits = protocols.Limits{HighWater: 16 << 10, Inbound: 64 << 20}
		mute := lines("r3", func() behave { return func(actor.Context) {} })
		p := protocoltest.NewPair(t, mute, spec, protocoltest.Buffer(10_000))
		const count = 300
		for n := range uint64(count) {
			if n%50 == 0 {
				p.A.Pause()
			}
			if err := p.A.Send(&Line{N: n, Text: bytes.Repeat([]byte{byte(n)}, int(n*n%5000))}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // a read, and so a batch, of its own
			if n%50 == 49 {
				p.A.Resume()
				p.B.Crash()
			}
		}
		synctest.Wait()
		if next.Load() != count || wrong.Load() != 0 {
			t.Errorf("%d of %d came, %d out of order", next.Load(), count, wrong.Load())
		}
	})
}

// A crash loses the message being handled: not those behind it in the batch, and
// not what was sent before it.
func TestR4CrashLosesOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := lines("r4", func() behave {
			var link *protocols.Link
			return func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case *Line:
					if err := link.Send(&Reply{N: msg.N}); err != nil {
						t.Error(err)
					}
					if msg.N == 3 {
						panic("three")
					}
				}
			}
		})
		p := protocoltest.NewPair(t, protocoltest.ByHand(lines("r4", nil)), spec)
		for n := range uint64(8) {
			if err := p.A.Send(&Line{N: n}); err != nil {
				t.Fatal(err)
			}
		}
		// The answer to 3 was sent before the crash, so that it is among them.
		for n := range uint64(8) {
			if r := protocoltest.Next[Reply](p.A); r.N != n {
				t.Fatalf("reply %d, want %d", r.N, n)
			}
		}
		if got := p.B.Restarts(); got != 1 {
			t.Errorf("%d restarts", got)
		}
	})
}

// A raw payload is whole and its handler's own until Receive returns, however much
// comes meanwhile.
func TestR5PayloadIsTheHandlersUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changed, got atomic.Uint64
		raw := protocols.Spec{
			Name:     "r5",
			Versions: []protocols.Version{{Number: 1, Length: 1, Messages: []protocols.Message{protocols.Raw()}}},
			New: func() actor.Actor {
				return behave(func(ctx actor.Context) {
					if msg, ok := ctx.Message().(*protocols.RawMessage); ok {
						before := bytes.Clone(msg.Payload)
						time.Sleep(time.Millisecond) // more comes, and is read into other memory
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
			t.Errorf("%d of %d came, %d changed under their handler", got.Load(), count, changed.Load())
		}
	})
}

// A stalled protocol ends its link after 20 s without progress, and the cause names
// it; a slow one does not.
func TestR6StalledProtocolIsNamed(t *testing.T) {
	for _, tc := range []struct {
		each    time.Duration // what a message takes
		stalled bool
	}{{time.Second, false}, {time.Hour, true}} {
		synctest.Test(t, func(t *testing.T) {
			quit := make(chan struct{})
			spec := lines("r6", func() behave {
				return func(ctx actor.Context) {
					if _, ok := ctx.Message().(*Line); ok {
						select {
						case <-time.After(tc.each):
						case <-quit:
						}
					}
				}
			})
			spec.Limits.Inbound = 32 << 10
			p := protocoltest.NewPair(t, protocoltest.ByHand(lines("r6", nil)), spec, protocoltest.Buffer(10_000))
			fill(t, p.A)
			time.Sleep(19 * time.Second)
			if p.B.Cause() != nil {
				t.Errorf("ended before 20 s: %v", p.B.Cause())
			}
			time.Sleep(6 * time.Second)
			cause := p.B.Cause()
			if stalled := cause != nil && errors.Is(cause.Err, actors.ErrStalled) && cause.Protocol == "r6/1"; stalled != tc.stalled {
				t.Errorf("%v a message: cause %v", tc.each, cause)
			}
			if tc.stalled && cause.Reason != wire.DiscSubprotocolError {
				t.Errorf("reason: %v", cause.Reason)
			}
			close(quit)
		})
	}
}

// A full outbox refuses, queues nothing of what it refused, and tells once that it
// has drained.
func TestR7RefusedOnceDrainedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var drained atomic.Int64
		sender := lines("r7", func() behave {
			return func(ctx actor.Context) {
				if _, ok := ctx.Message().(*protocols.Drained); ok {
					drained.Add(1)
				}
			}
		})
		sender.Limits.Outbox = 128 << 10
		var got atomic.Uint64
		var wrong atomic.Pointer[string]
		reader := lines("r7", func() behave {
			return func(ctx actor.Context) {
				if msg, ok := ctx.Message().(*Line); ok {
					if n := got.Add(1) - 1; msg.N != n {
						text := fmt.Sprintf("line %d came as number %d", msg.N, n)
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
				t.Fatalf("full, but: %v", err)
			}
		}
		synctest.Wait()
		if drained.Load() != 0 {
			t.Error("drained, though nothing moves")
		}
		p.B.Resume()
		synctest.Wait()
		if drained.Load() != 1 {
			t.Errorf("drained %d times", drained.Load())
		}
		if got.Load() != sent || wrong.Load() != nil {
			t.Errorf("%d came of %d sent; %v", got.Load(), sent, wrong.Load())
		}
	})
}

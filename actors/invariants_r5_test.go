package actors

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/wire"
)

// TestR5PayloadBelongsToTheHandler: while a handler is at work, its payload stays
// as it is, whatever the reader reads meanwhile.
func TestR5PayloadBelongsToTheHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var wrong int
		s, other := &script{}, &script{}
		payload := func(n int) []byte {
			if n%2 == 0 { // decompressed into a buffer, or lying in the read buffer
				return bytes.Repeat([]byte{byte(n)}, 3000)
			}
			return append(noise(3000), byte(n))
		}
		n := 0
		s.message = func(_ actor.Context, in Inbound) error {
			<-time.After(time.Second) // the reader is busy with the other protocol
			if !bytes.Equal(in.Payload, payload(n)) {
				wrong++
			}
			clear(in.Payload) // it may do with it what it likes
			n++
			return nil
		}
		r := meet(t, s.protocol("a"), other.protocol("b"))
		for i := range 20 {
			r.send(16, payload(i))
			for range 20 {
				r.send(32, noise(4000))
			}
		}
		after(time.Minute)
		if wrong != 0 || n != 20 {
			t.Errorf("%d of %d payloads changed under the handler", wrong, n)
		}
	})
}

// TestR5IdleLinkHoldsNoBuffer: after traffic both ways, two live links hold none
// of what was pooled.
func TestR5IdleLinkHoldsNoBuffer(t *testing.T) {
	before := buffersOut.Load()
	answers := make(chan struct{}, 100)
	asks, replies := &script{}, &script{}
	asks.message = func(actor.Context, Inbound) error { answers <- struct{}{}; return nil }
	replies.message = func(_ actor.Context, in Inbound) error { return replies.Send(1, in.Payload) }
	r := connectTCP(t, []Protocol{asks.protocol("a")}, []Protocol{replies.protocol("a")})
	for _, size := range []int{0, 100, 5000, 100_000, 900_000} {
		if err := asks.Send(0, noise(size)); err != nil {
			t.Fatal(err)
		}
		<-answers
	}
	settles(t, "buffers held by idle links", func() int64 { return buffersOut.Load() - before })
	settles(t, "bytes charged to idle links", func() int64 { return r.a.pool.Used() + r.b.pool.Used() })
	if r.la.Cause() != nil || r.lb.Cause() != nil {
		t.Error("the links are not even up")
	}
}

// TestR6StalledProtocolEndsTheLink: until its budget is full it costs the others
// nothing, and 20 s later the link ends with a cause that names it.
func TestR6StalledProtocolEndsTheLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stalls, wake := sleeper()
		echoes := &script{}
		echoes.message = func(_ actor.Context, in Inbound) error { return echoes.Send(1, in.Payload) }
		r := meet(t, echoes.protocol("a"), stalls.protocol("b"))
		payload := noise(32 << 10)
		for sent := 0; sent < DefaultBudget/3; sent += len(payload) { // each pins a buffer of twice its size
			r.send(32, payload)
			r.send(16, []byte("hello"))
			begin := time.Now()
			r.expect(17)
			if took := time.Since(begin); took > 0 {
				t.Fatalf("an echo took %v beside a stalled protocol", took)
			}
		}
		after(40 * time.Second) // a budget that is not full is no reason for anything
		if c := r.link.Cause(); c != nil {
			t.Fatalf("ended: %v", c)
		}
		r.send(16, []byte("still there?"))
		r.expect(17)
		begin := time.Now()
		r.flood(100, 32, payload)
		c := r.wantCause(Local, wire.DiscSubprotocolError, ErrStalled)
		if took := time.Since(begin).Round(time.Second); took < stallTimeout || took > stallTimeout+farewellTimeout+lingerTimeout {
			t.Errorf("ended after %v", took)
		}
		if c.Protocol != "b/1" || !c.HasCode || c.Code != 0 {
			t.Errorf("cause %q does not name the protocol and its last message", c)
		}
		close(wake)
	})
}

// It is found out, too, while another protocol always has a write under way.
func TestR6StallBesideABusyWriter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stalls, wake := sleeper()
		r := meet(t, writesForEver().protocol("a"), stalls.protocol("b"))
		begin := time.Now()
		r.readOn(time.Second)
		r.flood(100, 32, noise(32<<10))
		c := r.wantCause(Local, wire.DiscSubprotocolError, ErrStalled)
		if took := time.Since(begin); took > stallTimeout+farewellTimeout+lingerTimeout || c.Protocol != "b/1" {
			t.Errorf("after %v: %v", took, c)
		}
		r.conn.Close()
		close(wake)
	})
}

// A slow protocol is no stalled one, even if the reader waits for long.
func TestR6SlowProtocolIsNotStalled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var handled atomic.Int64
		s := &script{}
		s.message = func(actor.Context, Inbound) error { <-time.After(19 * time.Second); handled.Add(1); return nil }
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = 3000 }))
		var burst []byte
		for range 10 {
			burst = append(burst, r.seal(16, make([]byte, 100))...)
		}
		r.write(append(burst, r.seal(16, make([]byte, 2900))...)) // is let in when the others are handled
		after(11*19*time.Second + time.Second)
		if c := r.link.Cause(); c != nil || handled.Load() != 11 {
			t.Errorf("%d messages handled; ended: %v", handled.Load(), c)
		}
	})
}

// A protocol that is busy with an answer which the remote takes slowly is not
// stalled either.
func TestR6LongAnswerIsNoStall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const parts = 400
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error {
			if in.Code == 0 {
				return s.SendSeq(numbered(parts, 10_000, nil))
			}
			return nil
		}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = 32 << 10 }))
		r.send(16, nil)
		r.flood(100, 17, noise(1000)) // more than the budget
		for n := range parts {
			after(200 * time.Millisecond)
			wantNumber(t, r.expect(17), n)
		}
	})
}

// numbered is a sequence of messages of that size, which counts how many were
// pulled. They share memory, as a careful author's would.
func numbered(count, size int, pulled *atomic.Int64) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		payload := noise(size + 10)
		for n := range count {
			if pulled != nil {
				pulled.Add(1)
			}
			copy(payload, fmt.Sprintf("%9d:", n))
			if !yield(1, payload) {
				return
			}
		}
	}
}

// wantNumber checks that a message is that one of a numbered sequence.
func wantNumber(t testing.TB, p packet, n int) {
	t.Helper()
	if want := fmt.Sprintf("%9d:", n); !strings.HasPrefix(string(p.payload), want) {
		t.Fatalf("got part %.10q, want %q", p.payload, want)
	}
}

// TestR7SendIsBounded: whatever a protocol sends, from wherever, no more is queued
// than its limit; each run of refusals is followed by one Drained.
func TestR7SendIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 512 << 10
		s := &script{}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.OutboxLimit = limit }))
		payload := noise(10_000)
		for run := range 3 {
			accepted := 0
			for wrote := true; wrote; synctest.Wait() { // what the connection takes is no longer queued
				wrote = false
				for s.Send(0, payload) == nil {
					accepted++
					wrote = true
				}
			}
			for range 10 {
				if err := s.Send(0, payload); !errors.Is(err, ErrOutboxFull) {
					t.Fatalf("got %v, want %v", err, ErrOutboxFull)
				}
			}
			synctest.Wait()
			if fill := s.outbox.fill(); fill > limit {
				t.Errorf("%d bytes are queued, the limit is %d", fill, limit)
			}
			if s.drainds.Load() != int64(run) {
				t.Errorf("drained %d times before the remote reads, in run %d", s.drainds.Load(), run)
			}
			for range accepted {
				r.expect(16)
			}
			synctest.Wait()
			if s.drainds.Load() != int64(run+1) {
				t.Errorf("drained %d times after %d runs of refusals", s.drainds.Load(), run+1)
			}
		}
	})
}

// Drained comes when what was refused fits; a behaviour that tries again at once
// must not be asked for ever.
func TestR7DrainedMeansThatItFits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &script{}
		large := noise(700 << 10)
		send := func(actor.Context) {
			for range 3 {
				if s.Send(0, large) != nil {
					return
				}
			}
		}
		s.drained = send
		s.up = send
		r := meet(t, s.protocol("a"))
		for range 5 {
			r.expect(16)
		}
		synctest.Wait()
		if n := s.drainds.Load(); n < 4 || n > 6 {
			t.Errorf("drained %d times for 5 messages", n)
		}
	})
}

// TestR7SequenceIsPulledAsItDrains: a large answer takes as much memory as is laid
// out ahead of the writer, and nothing else is delivered before it ends.
func TestR7SequenceIsPulledAsItDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const parts = 2000
		var pulled atomic.Int64
		var log []string
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error {
			log = append(log, fmt.Sprintf("message %d", in.Code))
			if in.Code != 0 {
				return nil
			}
			if err := s.SendSeq(numbered(parts, 10_000, &pulled)); err != nil {
				return err
			}
			if err := s.SendSeq(numbered(1, 1, nil)); !errors.Is(err, ErrSeqActive) {
				t.Errorf("a second sequence: %v", err)
			}
			return s.Send(2, nil) // still possible
		}
		r := meet(t, s.protocol("a"))
		r.send(16, nil)
		r.send(18, nil)
		synctest.Wait()
		s.tell(func(actor.Context) { log = append(log, fmt.Sprintf("other after %d parts", pulled.Load())) })
		synctest.Wait()
		if limit := (seqAhead + 3*quantum) / 10_000; pulled.Load() < 5 || pulled.Load() > int64(limit) {
			t.Errorf("%d parts were pulled before the remote reads, want at most %d", pulled.Load(), limit)
		}
		if len(log) != 1 {
			t.Errorf("delivered during the sequence: %v", log)
		}
		r.expect(18)
		for n := range parts {
			wantNumber(t, r.expect(17), n)
			if ahead := int(pulled.Load()) - n; ahead > (seqAhead+4*quantum)/10_000 {
				t.Fatalf("%d parts ahead of the remote", ahead)
			}
		}
		synctest.Wait()
		if got, want := strings.Join(log, ", "), fmt.Sprintf("message 0, other after %d parts, message 2", parts); got != want {
			t.Errorf("delivered %q, want %q", got, want)
		}
	})
}

// A sequence meets an outbox that others keep full: it waits, it does not crash,
// and nothing of it is lost.
func TestR7SequenceWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &script{}
		s.message = func(actor.Context, Inbound) error {
			_ = s.Send(3, noise(40))
			return s.SendSeq(numbered(4, 900_000, nil))
		}
		r := meet(t, s.protocol("a"))
		r.send(16, nil)
		synctest.Wait()
		for s.Send(3, noise(1000)) == nil { // from outside
		}
		for n := 0; n < 4; {
			p, err := r.read()
			if err != nil {
				t.Fatalf("part %d: %v; cause %v", n, err, r.link.Cause())
			}
			if p.code == 17 {
				wantNumber(t, p, n)
				n++
			}
		}
		if s.lives.Load() != 1 {
			t.Error("the protocol crashed")
		}
	})
}

// What ends a sequence: a crash, a mistake in it, the end of the link. Its
// iterator is always told to stop.
func TestR7SequenceEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seq   func(yield func(uint64, []byte) bool)
		end   func(r *remote, s *script)
		lives int64
	}{
		{"the iterator panics", func(func(uint64, []byte) bool) { panic("in the iterator") }, nil, 2},
		{"a code that the protocol does not have", func(yield func(uint64, []byte) bool) { yield(99, nil) }, nil, 2},
		{"the link ends", func(yield func(uint64, []byte) bool) {
			for yield(1, noise(1000)) {
			}
		}, func(r *remote, _ *script) { r.link.Disconnect(wire.DiscQuitting, nil); r.conn.Close() }, 1},
		{"another actor's message can't crash it", func(yield func(uint64, []byte) bool) {
			for yield(1, noise(1000)) {
			}
		}, func(r *remote, s *script) {
			s.tell(func(actor.Context) { panic("deferred") })
			r.link.Disconnect(wire.DiscQuitting, nil)
			r.conn.Close()
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				stopped := false
				s := &script{}
				s.message = func(actor.Context, Inbound) error {
					return s.SendSeq(func(yield func(uint64, []byte) bool) {
						defer func() { stopped = true }()
						tt.seq(yield)
					})
				}
				r := meet(t, s.protocol("a"))
				r.send(16, nil)
				synctest.Wait()
				if tt.end != nil {
					tt.end(r, s)
					synctest.Wait()
				}
				if !stopped || s.lives.Load() != tt.lives {
					t.Errorf("iterator stopped: %v, protocol lived %d times", stopped, s.lives.Load())
				}
				if tt.end != nil {
					if err := s.SendSeq(numbered(1, 1, nil)); !errors.Is(err, ErrLinkDown) {
						t.Errorf("a sequence after the end: %v", err)
					}
					if err := s.Send(1, nil); !errors.Is(err, ErrLinkDown) {
						t.Errorf("a message after the end: %v", err)
					}
				}
			})
		})
	}
}

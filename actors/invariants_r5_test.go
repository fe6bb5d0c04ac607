package actors

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// TestR5PayloadBelongsToTheHandler: while a handler runs, its payload does not change, whatever
// the reader reads meanwhile.
func TestR5PayloadBelongsToTheHandler(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var wrong int
		s, other := &script{}, &script{}
		payload := func(n int) []byte {
			if n%2 == 0 { // decompressed into a buffer, or part of the read buffer
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
			clear(in.Payload) // the handler may change it
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
		actortest.After(time.Minute)
		if wrong != 0 || n != 20 {
			t.Errorf("%d of %d payloads changed under the handler", wrong, n)
		}
	})
}

// TestR5IdleLinkHoldsNoBuffer: after traffic both ways, two live links hold no pooled memory.
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
	becomesZero(t, "buffers held by idle links", func() int64 { return buffersOut.Load() - before })
	becomesZero(t, "bytes charged to idle links", func() int64 { return r.a.pool.Used() + r.b.pool.Used() })
	if r.la.Cause() != nil || r.lb.Cause() != nil {
		t.Error("the links are not up")
	}
}

// TestR6StalledProtocolEndsTheLink: until its budget is full, a stalled protocol costs the others
// nothing; 20 s later the link ends with a cause that names the protocol.
func TestR6StalledProtocolEndsTheLink(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
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
		actortest.After(40 * time.Second) // a budget that is not full ends nothing
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

// TestR6StallBesideABusyWriter: a stall is detected even while another protocol always has a
// write in progress.
func TestR6StallBesideABusyWriter(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		stalls, wake := sleeper()
		r := meet(t, writesForEver().protocol("a"), stalls.protocol("b"))
		begin := time.Now()
		r.readOn(time.Second)
		r.flood(100, 32, noise(32<<10))
		c := r.wantCause(Local, wire.DiscSubprotocolError, ErrStalled)
		if took := time.Since(begin); took > stallTimeout+farewellTimeout+lingerTimeout || c.Protocol != "b/1" {
			t.Errorf("link ended after %v: %v", took, c)
		}
		r.conn.Close()
		close(wake)
	})
}

// TestR6SlowProtocolIsNotStalled: a slow protocol is not stalled, even if the reader waits for a
// long time.
func TestR6SlowProtocolIsNotStalled(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var handled atomic.Int64
		s := &script{}
		s.message = func(actor.Context, Inbound) error { <-time.After(19 * time.Second); handled.Add(1); return nil }
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = 3000 }))
		var burst []byte
		for range 10 {
			burst = append(burst, r.seal(16, make([]byte, 100))...)
		}
		r.write(append(burst, r.seal(16, make([]byte, 2900))...)) // is admitted when the others are handled
		actortest.After(11*19*time.Second + time.Second)
		if c := r.link.Cause(); c != nil || handled.Load() != 11 {
			t.Errorf("%d messages handled; ended: %v", handled.Load(), c)
		}
	})
}

// TestR6LongAnswerIsNoStall: a protocol is not stalled while it sends an answer that the remote
// reads slowly.
func TestR6LongAnswerIsNoStall(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
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
			actortest.After(200 * time.Millisecond)
			wantNumber(t, r.expect(17), n)
		}
	})
}

// numbered is a sequence of count messages of that size, which counts how many were pulled. They
// share memory, as an efficient protocol's would.
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

// wantNumber checks that p is message n of a numbered sequence.
func wantNumber(t testing.TB, p packet, n int) {
	t.Helper()
	if want := fmt.Sprintf("%9d:", n); !strings.HasPrefix(string(p.payload), want) {
		t.Fatalf("got part %.10q, want %q", p.payload, want)
	}
}

// TestR1HeldBehaviour: a behaviour that holds gets no more messages, not even the rest of a
// batch; messages of other actors still arrive, and the reader stops when the budget is full. A
// restart ends the hold.
func TestR1HeldBehaviour(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const budget = 100_000
		s := &script{}
		handled := 0
		s.message = func(actor.Context, Inbound) error {
			handled++
			s.Hold(handled == 2)
			return nil
		}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = budget }))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range 500 {
				r.send(16, noise(1000))
			}
		}()
		synctest.Wait()
		if used := s.credit.used.Load(); handled != 2 || used < budget/2 || used > budget+largeBuffer {
			t.Errorf("%d messages were handled, %d bytes wait; want 2, and about the budget of %d", handled, used, budget)
		}
		s.tell(func(actor.Context) { s.Hold(false) })
		<-sent
		synctest.Wait()
		if handled != 500 {
			t.Errorf("%d messages were handled after the hold", handled)
		}
		handled = 1
		r.send(16, nil)
		r.send(16, nil)
		synctest.Wait()
		if handled != 2 {
			t.Errorf("%d messages were handled during a hold", handled-1)
		}
		s.tell(func(actor.Context) { panic("oops") })
		synctest.Wait()
		if handled != 3 {
			t.Error("the hold survived a restart")
		}
	})
}

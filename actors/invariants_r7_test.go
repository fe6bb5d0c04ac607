package actors

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// TestR7SendIsBounded: no sender of a protocol can queue more than its limit; one Drained follows
// each run of refusals.
func TestR7SendIsBounded(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const limit = 512 << 10
		s := &script{}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.OutboxLimit = limit }))
		payload := noise(10_000)
		for run := range 3 {
			accepted := 0
			for wrote := true; wrote; synctest.Wait() { // bytes that the connection took are no longer queued
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

// TestR7DrainedMeansThatItFits: Drained is called when the refused message fits; a behaviour that
// tries again at once must not get Drained for ever.
func TestR7DrainedMeansThatItFits(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
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

// TestR7SequenceIsPulledAsItDrains: a large answer takes only the memory of what is queued ahead
// of the writer, and nothing else is delivered before it ends.
func TestR7SequenceIsPulledAsItDrains(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
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

// TestR7SequenceWaitsForRoom: when other senders keep the outbox full, a sequence waits; it does
// not crash and loses nothing.
func TestR7SequenceWaitsForRoom(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		s.message = func(actor.Context, Inbound) error {
			_ = s.Send(3, noise(40))
			return s.SendSeq(numbered(4, 900_000, nil))
		}
		r := meet(t, s.protocol("a"))
		r.send(16, nil)
		synctest.Wait()
		for s.Send(3, noise(1000)) == nil { // a sender other than the behaviour
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
		if s.incarnations.Load() != 1 {
			t.Error("the protocol crashed")
		}
	})
}

// TestR7SequenceEnds: a sequence ends by a crash, a bug in it, or the end of the link. Its
// iterator is always stopped.
func TestR7SequenceEnds(t *testing.T) {
	for _, tt := range []struct {
		name         string
		seq          func(yield func(uint64, []byte) bool)
		end          func(r *remote, s *script)
		incarnations int64
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
			actortest.Bubble(t, func(t *testing.T) {
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
				if !stopped || s.incarnations.Load() != tt.incarnations {
					t.Errorf("iterator stopped: %v, the protocol had %d incarnations", stopped, s.incarnations.Load())
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

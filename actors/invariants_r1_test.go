package actors

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// sleeper makes a protocol whose first message is handled until wake is closed.
func sleeper() (s *script, wake chan struct{}) {
	s, wake = &script{}, make(chan struct{})
	s.message = func(actor.Context, Inbound) error { <-wake; return nil }
	return s, wake
}

// flood sends count messages and then closes done. It stops when the connection ends.
func (r *remote) flood(count int, code uint64, payload []byte) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for range count {
			frame, err := appendBase(nil, code, payload, r.Snappy)
			if err == nil {
				err = r.Encoder.Seal(frame)
			}
			if err == nil {
				_, err = r.conn.Write(frame)
			}
			if err != nil {
				return
			}
		}
	}()
	return done
}

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// TestR1BudgetBoundsWhatIsUnhandled: a protocol that handles nothing receives many messages. The
// reader stops at its budget, the remote is held back, and nothing is lost.
func TestR1BudgetBoundsWhatIsUnhandled(t *testing.T) {
	const budget = 256 << 10
	for _, tt := range []struct {
		name    string
		count   int
		payload []byte
	}{
		{"messages of 1 KiB", 2000, noise(1024)},
		{"empty messages", 60_000, nil},
		{"messages that compress well", 300, make([]byte, 60_000)},
		{"messages that fill a buffer", 100, noise(70_000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s, wake := sleeper()
				handled := 0
				first := s.message
				s.message = func(ctx actor.Context, in Inbound) error { handled++; return first(ctx, in) }
				r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = budget }))
				done := r.flood(tt.count, 16, tt.payload)
				synctest.Wait()
				if isDone(done) {
					t.Error("the remote was not held back")
				}
				// At most one message or the buffers of one read exceed it.
				if used := s.credit.used.Load(); used > budget+2*largeBuffer || used < budget/2 {
					t.Errorf("%d bytes are unhandled, the budget is %d", used, budget)
				}
				if used := r.node.pool.Used(); used > budget+5*largeBuffer {
					t.Errorf("the link holds %d bytes, the budget is %d", used, budget)
				}
				in := r.link.Stats().BytesIn
				actortest.After(10 * time.Second)
				if now := r.link.Stats().BytesIn; now != in {
					t.Errorf("%d bytes more were read", now-in)
				}
				close(wake)
				<-done
				synctest.Wait()
				if handled != tt.count {
					t.Errorf("%d of %d messages were handled", handled, tt.count)
				}
				if used := s.credit.used.Load(); used != 0 {
					t.Errorf("%d bytes of credit were not returned", used)
				}
			})
		})
	}
}

// TestR1LargeMessageIsAdmittedAlone: a message larger than the budget waits until no other
// message does, and is then delivered.
func TestR1LargeMessageIsAdmittedAlone(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var sizes []int
		turn := make(chan struct{})
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error { <-turn; sizes = append(sizes, len(in.Payload)); return nil }
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = 64 << 10 }))
		go func() {
			for _, n := range []int{1000, 3 << 20, 1000} {
				frame := r.seal(16, make([]byte, n))
				if _, err := r.conn.Write(frame); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if used := s.credit.used.Load(); used > 64<<10 {
			t.Errorf("%d bytes are charged while another message is unhandled", used)
		}
		turn <- struct{}{}
		synctest.Wait()
		if used := s.credit.used.Load(); used < 3<<20 {
			t.Errorf("%d bytes are charged for a message of 3 MiB", used)
		}
		turn <- struct{}{}
		turn <- struct{}{}
		synctest.Wait()
		if len(sizes) != 3 || sizes[1] != 3<<20 {
			t.Errorf("handled messages of %v bytes", sizes)
		}
	})
}

// TestR1MemoryIsCommittedAsBytesArrive: a frame that claims 15 MB and of which few bytes arrive
// takes little memory, and not a new buffer for every read.
func TestR1MemoryIsCommittedAsBytesArrive(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		got := 0
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error { got = len(in.Payload); return nil }
		r := meet(t, s.protocol("a"))
		frame := r.seal(16, noise(15_000_000))
		sent := 0
		for _, upTo := range []int{100, 5000, 100_000, 1_000_000, 4_000_000, len(frame)} {
			for sent < upTo {
				n := min(7000, upTo-sent)
				r.write(frame[sent : sent+n])
				sent += n
				synctest.Wait()
			}
			if used := r.node.pool.Used(); upTo < len(frame) && used > int64(2*largeBuffer+6*sent) {
				t.Errorf("after %d bytes of the frame, %d bytes are in use", sent, used)
			}
		}
		if got != 15_000_000 {
			t.Errorf("a message of %d bytes arrived", got)
		}
	})
}

// TestR1DripIsCheap: a large frame that arrives byte by byte is not copied at every byte.
func TestR1DripIsCheap(t *testing.T) {
	s := &script{}
	r := meet(t, s.protocol("a"))
	p := newPump(r.link, &wire.Session{})
	p.buf, _ = p.buffer(1 << 20)
	defer p.dropBuffers()
	p.want, p.end, p.at = 10<<20, 500_000, time.Now()
	before := p.buf
	for range 1000 {
		if err := p.makeRoom(); err != nil {
			t.Fatal(err)
		}
		p.end++
	}
	if p.buf != before {
		t.Error("the frame moved to another buffer though there was room")
	}
	p.end = len(p.buf.b)
	if err := p.makeRoom(); err != nil || p.buf == before || p.end != len(before.b) {
		t.Errorf("a full buffer was not replaced by a larger one: %v", err)
	}
}

// TestR1ClaimIsChargedBeforeDecoding: the decompressed size of a message is charged before memory
// is allocated for it.
func TestR1ClaimIsChargedBeforeDecoding(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, wake := sleeper()
		r := meet(t, s.protocol("a"))
		done := r.flood(5, 16, make([]byte, 8<<20))
		synctest.Wait()
		if used := s.credit.used.Load(); used < 8<<20 {
			t.Errorf("%d bytes are charged for a message of 8 MiB", used)
		}
		// The arena of the first message has 20 MiB; there must be no second one.
		if used := r.node.pool.Used(); used > 24<<20 {
			t.Errorf("%d bytes are in use", used)
		}
		close(wake)
		<-done
	})
}

// TestR1PoolCapsTheSum: the budgets of the links allow more than the node's pool.
func TestR1PoolCapsTheSum(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const pool = 1 << 20
		n := newNode(t)
		n.pool = NewPool(pool)
		wake := make(chan struct{})
		handled := make(chan struct{}, 1<<16)
		var remotes []*remote
		var floods []chan struct{}
		for range 4 {
			s := &script{}
			s.message = func(actor.Context, Inbound) error { <-wake; handled <- struct{}{}; return nil }
			ours, theirs := memPipe(64 << 10)
			remotes = append(remotes, meetOver(t, n, ours, theirs, s.protocol("a")))
		}
		for _, r := range remotes {
			floods = append(floods, r.flood(1000, 16, noise(1024)))
		}
		synctest.Wait()
		if used := n.pool.Used(); used > pool || used < pool/2 {
			t.Errorf("%d bytes are in use, the pool has %d", used, pool)
		}
		close(wake)
		for _, done := range floods {
			<-done
		}
		for range 4 * 1000 {
			<-handled
		}
	})
}

// TestR1NoMemoryEndsTheLink: a link that gets no memory for 20 s ends, and its cause is the lack
// of memory.
func TestR1NoMemoryEndsTheLink(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		n := newNode(t)
		n.pool = NewPool(smallBuffer)
		n.pool.take(smallBuffer) // another link has all of it
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, new(script).protocol("a"))
		begin := time.Now()
		r.wantCause(Local, wire.DiscRequested, ErrMemory)
		// The remote does not close, so it gets the time to read the Disconnect.
		if took := time.Since(begin).Round(time.Second); took != stallTimeout+lingerTimeout {
			t.Errorf("the link ended after %v", took)
		}
		n.pool.give(smallBuffer)
	})
}

// TestR1QuietLinkNeedsNoMemory: a quiet link needs no memory, and does not end because there is
// none. The pool is emptied after the reader has read and before it returns to the socket.
func TestR1QuietLinkNeedsNoMemory(t *testing.T) {
	n := newNode(t)
	hook := &hookedClock{Clock: supervise.SystemClock}
	n.clock = hook
	ours, theirs := tcpPipe(t)
	s, handled := &script{}, make(chan struct{}, 1)
	s.message = func(actor.Context, Inbound) error { handled <- struct{}{}; return nil }
	r := meetOver(t, n, ours, theirs, s.protocol("a"))
	// The link read the clock once, then the pinger; from now on only the reader will.
	actortest.Eventually(t, "the pinger has read the clock", func() bool { return hook.looks.Load() >= 2 })
	all := n.pool.Cap()
	defer n.pool.give(all)
	taken := func() { n.pool.used.Add(all) }
	hook.now.Store(&taken)
	r.send(16, nil)
	select {
	case <-handled:
	case e := <-n.ended:
		t.Fatalf("ended: %v", e.Cause)
	}
	// This is long enough for the reader to return to the socket.
	for range 50 {
		<-time.After(time.Millisecond)
		if r.link.heldSince.Load() != 0 {
			t.Fatal("the reader waits for memory though nothing arrives")
		}
	}
}

// hookedClock calls a function once, at the next reading of the clock.
type hookedClock struct {
	supervise.Clock
	now   atomic.Pointer[func()]
	looks atomic.Int64
}

func (c *hookedClock) Now() time.Time {
	c.looks.Add(1)
	if f := c.now.Swap(nil); f != nil {
		(*f)()
	}
	return c.Clock.Now()
}

// TestR1HeldReaderIsNoSilence: while this node does not read, it cannot receive anything. The
// link does not end for that, and pings go on; when the node reads again, the remote's silence
// continues from where it was.
func TestR1HeldReaderIsNoSilence(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		s.message = func(actor.Context, Inbound) error { <-time.After(10 * time.Second); return nil }
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = 3000 }))
		var burst []byte
		for range 12 {
			burst = append(burst, r.seal(16, make([]byte, 100))...)
		}
		// There is room for this one when all others are handled, after 120 s.
		burst = append(burst, r.seal(16, make([]byte, 2900))...)
		begin := time.Now()
		r.write(burst)
		pings := 0
		for {
			p, err := r.read()
			if err != nil || p.code == wire.DiscMsg {
				break
			}
			if p.code == wire.PingMsg {
				pings++ // do not answer it
			}
		}
		if took := time.Since(begin).Round(time.Second); took != 120*time.Second+silenceLimit {
			t.Errorf("link ended after %v", took)
		}
		if pings < 9 || pings > 11 {
			t.Errorf("got %d pings", pings)
		}
		r.conn.Close()
		r.wantCause(Local, wire.DiscReadTimeout, ErrPingTimeout)
	})
}

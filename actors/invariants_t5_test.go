package actors

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// writesForEver makes a protocol that always has more to write: frames that each
// fill a grant.
func writesForEver() *script {
	s := &script{}
	payload := noise(60_000)
	s.up = func(actor.Context) {
		for s.Send(0, payload) == nil {
		}
	}
	s.drained = s.up
	return s
}

// TestT5WaitersAreServedInOrder: of k protocols that write without end each gets
// every k-th grant; pong and ping wait for one grant at most.
func TestT5WaitersAreServedInOrder(t *testing.T) {
	for _, k := range []int{2, 5} {
		actortest.Bubble(t, func(t *testing.T) {
			var protocols []Protocol
			for i := range k {
				protocols = append(protocols, writesForEver().protocol(string(rune('a'+i))))
			}
			ours, theirs := memPipe(1 << 10) // what is written is read at once
			r := meetOver(t, newNode(t), ours, theirs, protocols...)
			synctest.Wait()
			var served []uint64
			next := func() uint64 {
				p, err := r.read()
				if err != nil {
					t.Fatalf("%v, cause %v", err, r.link.Cause())
				}
				return p.code
			}
			for range 20 * k {
				served = append(served, next())
			}
			// The first k are in the order in which the protocols came up, whichever
			// that is; from then on it stays.
			for i := k; i < len(served); i++ {
				if served[i] != served[i-k] {
					t.Fatalf("%d protocols were served in the order %v", k, served)
				}
			}
			slices.Sort(served[:k])
			if len(slices.Compact(served[:k])) != k {
				t.Fatalf("not all of %d protocols are served: %v", k, served[:k])
			}
			// All that can be written is; whoever holds the token waits for us.
			synctest.Wait()
			r.send(wire.PingMsg, emptyList)
			synctest.Wait()
			if next(); next() != wire.PongMsg {
				t.Error("a pong waits for more than the grant that is out")
			}
			actortest.After(pingInterval + time.Second) // the pinger looks, we don't read
			if next(); next() != wire.PingMsg {
				t.Error("a ping waits for more than the grant that is out")
			}
			r.send(wire.PongMsg, emptyList)
		})
	}
}

// TestT6DisconnectGoesFirst: whatever is queued, only the frame that is being
// written comes before the Disconnect.
func TestT6DisconnectGoesFirst(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, writesForEver().protocol("a"), writesForEver().protocol("b"))
		synctest.Wait()
		r.send(wire.PingMsg, emptyList)
		synctest.Wait()
		r.link.Disconnect(wire.DiscTooManyPeers, nil)
		synctest.Wait()
		actortest.After(900 * time.Millisecond) // it has a second
		if p, err := r.read(); err != nil || p.code < wire.BaseLength {
			t.Fatalf("got message 0x%x, %v instead of the rest of the frame", p.code, err)
		}
		if p, err := r.read(); err != nil || p.code != wire.DiscMsg {
			t.Fatalf("got message 0x%x, %v instead of the Disconnect", p.code, err)
		}
		if p, err := r.read(); !errors.Is(err, io.EOF) {
			t.Errorf("got message 0x%x, %v after the Disconnect", p.code, err)
		}
		r.conn.Close()
		r.wantCause(Local, wire.DiscTooManyPeers, nil)
	})
}

// A remote that takes nothing does not keep the link from ending within a second;
// the cause here is the one that we had.
func TestT6DisconnectTakesASecondAtMost(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault *fault // of the connection, from now on
	}{
		{"nothing is taken", &fault{do: stall}},
		{"nothing is taken after a few bytes", &fault{at: 7, do: stall}},
		{"the frame is, the Disconnect is not", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				ours, theirs := memPipe(1 << 10)
				r := meetOver(t, newNode(t), ours, theirs, s.protocol("a"))
				synctest.Wait()
				ours.fault.Store(tt.fault)
				_ = s.Send(0, noise(900))
				_ = s.Send(0, noise(900))
				synctest.Wait()
				begin := time.Now()
				why := errors.New("we had enough")
				r.link.Disconnect(wire.DiscUselessPeer, why)
				r.wantCause(Local, wire.DiscUselessPeer, why)
				if took := time.Since(begin); took != time.Second {
					t.Errorf("the end took %v", took)
				}
			})
		})
	}
}

// A handler that sleeps with the token unread does not hold up the Disconnect.
func TestT6DisconnectDoesNotWaitForHandlers(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, wake := &script{}, make(chan struct{})
		r := meet(t, s.protocol("a"))
		s.sendThen([]byte("never written"), func(actor.Context) { s.awaitGrant(); <-wake })
		synctest.Wait()
		begin := time.Now()
		r.link.Disconnect(wire.DiscQuitting, nil)
		r.expectDisconnect(wire.DiscQuitting)
		r.conn.Close()
		r.wantCause(Local, wire.DiscQuitting, nil)
		if took := time.Since(begin); took != 0 {
			t.Errorf("the end took %v", took)
		}
		close(wake)
	})
}

// A holder that dies while it writes and the link is closing leaves a stream to
// which nothing can be added; the socket is closed at once, for the first cause.
func TestT6HolderDiesWhileClosing(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, now := &script{}, make(chan struct{})
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, s.protocol("a"))
		ours.fault.Store(&fault{at: 10, do: func(c *memConn) error { <-now; return burst(c) }})
		_ = s.Send(0, noise(100))
		synctest.Wait()
		r.link.Disconnect(wire.DiscUselessPeer, nil)
		synctest.Wait()
		if isDone(r.link.Done()) {
			t.Error("the socket is closed under the writer")
		}
		close(now)
		synctest.Wait()
		if !isDone(r.link.Done()) {
			t.Error("the socket is not closed")
		}
		r.wantCause(Local, wire.DiscUselessPeer, nil)
		if _, err := r.read(); err == nil || len(r.in) != 10 {
			t.Errorf("the remote got %d bytes, %v", len(r.in), err)
		}
	})
}

// Between the cause and the peer's turn to close, nobody is granted anything.
func TestT6NoGrantOnceThereIsACause(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		p := newPeer(r.link, r.node.pid, &frameWriter{link: r.link})
		p.tokens.request(firstProtocolSlot)
		r.link.Disconnect(wire.DiscQuitting, nil)
		p.grantNext()
		if p.tokens.out != nil {
			t.Error("granted though the link is to end")
		}
		r.conn.Close()
	})
}

// The first cause stays, and both the remote and all on this side are told that
// one.
func TestT6FirstCauseStays(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		var downs []*Cause
		s.down = func(_ actor.Context, c *Cause) { downs = append(downs, c) }
		r := meet(t, s.protocol("a"))
		first := errors.New("first")
		s.Disconnect(wire.DiscUselessPeer, first)
		r.link.Disconnect(wire.DiscQuitting, errors.New("second"))
		r.expectDisconnect(wire.DiscUselessPeer)
		r.conn.Close()
		c := r.wantCause(Local, wire.DiscUselessPeer, first)
		synctest.Wait()
		if len(downs) != 1 || downs[0] != c || c.Protocol != "a/1" {
			t.Errorf("the protocol was told %v, the owner %v", downs, c)
		}
		if r.node.announced.Load() != 1 {
			t.Errorf("the owner was told %d times", r.node.announced.Load())
		}
	})
}

// TestT7SleepersDelayNobody: a protocol that has been granted the token and does
// not begin to use it costs another one a few milliseconds.
func TestT7SleepersDelayNobody(t *testing.T) {
	for _, tt := range []struct {
		name  string
		idle  func(s *script, ctx actor.Context) // in the turn in which the token comes
		delay time.Duration                      // less than this
	}{
		{"asleep in a handler", func(*script, actor.Context) { <-time.After(10 * time.Second) }, 5 * time.Millisecond},
		{"suspended after a crash", func(*script, actor.Context) { panic("again") }, 5 * time.Millisecond},
		// This one is taken back at the crash itself.
		{"crashed with the token unread", func(s *script, _ actor.Context) { s.awaitGrant(); panic("again") }, time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				a, b := &script{}, &script{}
				unlimited := func(p *Protocol) { p.Intensity = supervise.Intensity{Restarts: -1} }
				r := meet(t, a.protocol("a", unlimited), b.protocol("b"))
				for range 8 { // the next restart comes after 640 ms or more
					a.tell(func(actor.Context) { panic("to begin with") })
					actortest.After(time.Second)
				}
				for range 3 {
					a.sendThen([]byte("from a"), func(ctx actor.Context) { tt.idle(a, ctx) })
					synctest.Wait()
					begin := time.Now()
					_ = b.Send(0, []byte("from b"))
					if p, err := readBefore(r, tt.delay); err != nil || string(p.payload) != "from b" {
						t.Fatalf("after %v: got %q, %v instead of b's message", time.Since(begin), p.payload, err)
					}
					// And a's comes when it is back.
					if p, err := readBefore(r, 10*time.Second); err != nil || string(p.payload) != "from a" {
						t.Fatalf("after %v: got %q, %v instead of a's message", time.Since(begin), p.payload, err)
					}
					if time.Since(begin) < 100*time.Millisecond {
						t.Fatalf("a was away for %v only", time.Since(begin))
					}
					actortest.After(time.Second)
				}
			})
		})
	}
}

// A holder that has begun to use the token keeps it, however long the remote
// takes; nobody else can write meanwhile.
func TestT7WritingIsNotInterrupted(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		a, b := &script{}, &script{}
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, a.protocol("a"), b.protocol("b"))
		_ = a.Send(0, noise(50_000))
		synctest.Wait()
		_ = b.Send(0, nil)
		actortest.After(pingInterval - time.Second)
		r.expect(16)
		r.expect(32)
	})
}

// readBefore gives the next message but pings, if it comes in time.
func readBefore(r *remote, limit time.Duration) (packet, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return packet{}, err
	}
	for {
		p, err := r.read()
		if err == nil && p.code == wire.PingMsg {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return p, err
	}
}

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

// writesForEver makes a protocol that always has more to write; each of its frames fills a grant.
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

// TestT5WaitersAreServedInOrder: of k protocols that write without end, each gets every k-th
// grant; pong and ping wait for at most one grant.
func TestT5WaitersAreServedInOrder(t *testing.T) {
	for _, k := range []int{2, 5} {
		actortest.Bubble(t, func(t *testing.T) {
			var protocols []Protocol
			for i := range k {
				protocols = append(protocols, writesForEver().protocol(string(rune('a'+i))))
			}
			ours, theirs := memPipe(1 << 10) // every write is read at once
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
			// The first k grants follow the order in which the protocols came up, which may vary;
			// the following ones keep that order.
			for i := k; i < len(served); i++ {
				if served[i] != served[i-k] {
					t.Fatalf("%d protocols were served in the order %v", k, served)
				}
			}
			slices.Sort(served[:k])
			if len(slices.Compact(served[:k])) != k {
				t.Fatalf("not all of %d protocols are served: %v", k, served[:k])
			}
			// Everything that fits has been written; the token's holder waits for the remote to
			// read.
			synctest.Wait()
			r.send(wire.PingMsg, emptyList)
			synctest.Wait()
			if next(); next() != wire.PongMsg {
				t.Error("a pong waits for more than the current grant")
			}
			actortest.After(pingInterval + time.Second) // the pinger checks, the remote does not read
			if next(); next() != wire.PingMsg {
				t.Error("a ping waits for more than the current grant")
			}
			r.send(wire.PongMsg, emptyList)
		})
	}
}

// TestT6DisconnectGoesFirst: whatever is queued, only the frame that is being written precedes
// the Disconnect.
func TestT6DisconnectGoesFirst(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, writesForEver().protocol("a"), writesForEver().protocol("b"))
		synctest.Wait()
		r.send(wire.PingMsg, emptyList)
		synctest.Wait()
		r.link.Disconnect(wire.DiscTooManyPeers, nil)
		synctest.Wait()
		actortest.After(900 * time.Millisecond) // it may take a second
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

// TestT6DisconnectTakesASecondAtMost: a remote that accepts nothing does not delay the link's end
// by more than a second; the local cause remains.
func TestT6DisconnectTakesASecondAtMost(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault *fault // of the connection, from now on
	}{
		{"nothing is accepted", &fault{do: stall}},
		{"nothing is accepted after a few bytes", &fault{at: 7, do: stall}},
		{"the frame is accepted, the Disconnect is not", nil},
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
				why := errors.New("requested by the test")
				r.link.Disconnect(wire.DiscUselessPeer, why)
				r.wantCause(Local, wire.DiscUselessPeer, why)
				if took := time.Since(begin); took != time.Second {
					t.Errorf("closing took %v", took)
				}
			})
		})
	}
}

// TestT6DisconnectDoesNotWaitForHandlers: a handler that sleeps with the token unread does not
// delay the Disconnect.
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
			t.Errorf("closing took %v", took)
		}
		close(wake)
	})
}

// TestT6HolderCrashesWhileClosing: a holder that crashes while it writes on a closing link leaves a
// stream to which nothing can be added; the socket is closed at once, with the first cause.
func TestT6HolderCrashesWhileClosing(t *testing.T) {
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
			t.Error("the socket is closed during the write")
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

// TestT6NoGrantOnceThereIsACause: no grant is made between the cause and the turn in which the
// peer closes the link.
func TestT6NoGrantOnceThereIsACause(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		p := peerOf(r)
		p.tokens.request(firstProtocolSlot)
		r.link.Disconnect(wire.DiscQuitting, nil)
		p.grantNext()
		if p.tokens.out != nil {
			t.Error("granted though the link has a cause")
		}
		r.conn.Close()
	})
}

// TestT6FirstCauseStays: the first cause is kept; the remote, the owner and the protocol all get
// it.
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
			t.Errorf("the protocol got %v, the owner %v", downs, c)
		}
		if r.node.announced.Load() != 1 {
			t.Errorf("the owner received %d LinkEnded", r.node.announced.Load())
		}
	})
}

// TestT7SleepersDelayNoOther: a protocol that holds the token and does not begin to use it costs
// another protocol a few milliseconds.
func TestT7SleepersDelayNoOther(t *testing.T) {
	for _, tt := range []struct {
		name  string
		idle  func(s *script, ctx actor.Context) // runs in the turn in which the token arrives
		delay time.Duration                      // the upper bound
	}{
		{"asleep in a handler", func(*script, actor.Context) { <-time.After(10 * time.Second) }, 5 * time.Millisecond},
		{"suspended after a crash", func(*script, actor.Context) { panic("again") }, 5 * time.Millisecond},
		// This grant is taken back at the crash itself.
		{"crashed with the token unread", func(s *script, _ actor.Context) { s.awaitGrant(); panic("again") }, time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				a, b := &script{}, &script{}
				unlimited := func(p *Protocol) { p.Intensity = supervise.Intensity{Restarts: -1} }
				r := meet(t, a.protocol("a", unlimited), b.protocol("b"))
				for range 8 { // the next restart comes after 640 ms or more
					a.tell(func(actor.Context) { panic("first crashes") })
					actortest.After(time.Second)
				}
				for range 3 {
					_ = b.Send(0, []byte("first")) // the token rests with b, and a has to ask
					if p, err := readBefore(r, time.Second); err != nil || string(p.payload) != "first" {
						t.Fatalf("got %q, %v", p.payload, err)
					}
					a.sendThen([]byte("from a"), func(ctx actor.Context) { tt.idle(a, ctx) })
					synctest.Wait()
					begin := time.Now()
					_ = b.Send(0, []byte("from b"))
					if p, err := readBefore(r, tt.delay); err != nil || string(p.payload) != "from b" {
						t.Fatalf("after %v: got %q, %v instead of b's message", time.Since(begin), p.payload, err)
					}
					// a's message arrives when a is restarted.
					if p, err := readBefore(r, 10*time.Second); err != nil || string(p.payload) != "from a" {
						t.Fatalf("after %v: got %q, %v instead of a's message", time.Since(begin), p.payload, err)
					}
					if time.Since(begin) < 100*time.Millisecond {
						t.Fatalf("a was restarted after %v, too early", time.Since(begin))
					}
					actortest.After(time.Second)
				}
			})
		})
	}
}

// TestT7WritingIsNotInterrupted: a holder that has begun to use the token keeps it, however long
// the remote takes; no other child can write meanwhile.
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

// readBefore returns the next message other than a ping if it arrives before limit.
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

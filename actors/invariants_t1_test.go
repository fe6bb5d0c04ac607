package actors

import (
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// awaitGrant waits, in the host's turn, until the host's token is unread in the mailbox.
func (s *script) awaitGrant() *WriteToken {
	for range 1_000_000 {
		if t := s.grant.Load(); t != nil && t.state.Load() == granted {
			return t
		}
		runtime.Gosched() // in a bubble no time passes meanwhile
	}
	panic("the token did not arrive")
}

// TestT1TokenIsNeverLostNorDoubled crashes three protocols in every possible relation to the
// token. The remote must get every message that Send accepted, in order, over a stream whose MACs
// are right; and the pinger must get its turns as well.
func TestT1TokenIsNeverLostNorDoubled(t *testing.T) {
	const rounds = 40
	deaths := []struct {
		name string
		do   func(s *script, ctx actor.Context)
	}{
		{"no crash", func(*script, actor.Context) {}},
		{"before it requests the token", func(*script, actor.Context) { panic("before it requests the token") }},
		{"with the token unread", func(s *script, _ actor.Context) { s.awaitGrant(); panic("with the token unread") }},
		{"with its return on the way", func(s *script, ctx actor.Context) {
			i := &incarnation{Host: s.Host}
			i.writeGrant(ctx, s.awaitGrant())
			panic("with its return on the way")
		}},
		{"injected", func(s *script, _ actor.Context) { s.awaitGrant(); panic(supervise.ErrInjected) }},
		{"stops with the token unread", func(s *script, ctx actor.Context) { s.awaitGrant(); ctx.Stop(ctx.Self()) }},
	}
	actortest.Bubble(t, func(t *testing.T) {
		scripts := []*script{{}, {}, {}}
		var protocols []Protocol
		for i, s := range scripts {
			protocols = append(protocols, s.protocol(string(rune('a'+i)), func(p *Protocol) {
				p.Restart, p.Intensity = supervise.Permanent, supervise.Intensity{Restarts: -1}
			}))
		}
		r := meet(t, protocols...)
		var director sync.WaitGroup
		defer director.Wait()
		director.Go(func() {
			for round := range rounds {
				for i, s := range scripts {
					death := deaths[(round+i)%len(deaths)]
					s.sendThen(text("%d", 2*round), func(ctx actor.Context) {
						_ = s.Send(0, text("%d", 2*round+1))
						death.do(s, ctx)
					})
				}
				<-time.After(20 * time.Second) // longer than every backoff
			}
		})
		next, pings := map[uint64]int{}, 0
		_ = r.conn.SetReadDeadline(time.Now().Add((rounds + 5) * 20 * time.Second))
		for total := 0; total < 2*rounds*len(scripts); {
			p, err := r.read()
			if err != nil {
				t.Fatalf("after %d messages, %v: %v; cause %v", total, next, err, r.link.Cause())
			}
			if p.code == wire.PingMsg {
				pings++
				r.send(wire.PongMsg, emptyList)
				continue
			}
			if want := fmt.Sprint(next[p.code]); string(p.payload) != want {
				t.Fatalf("protocol %d: got message %q, want %s", p.code, p.payload, want)
			}
			next[p.code]++
			total++
		}
		if pings < rounds/2 {
			t.Errorf("got %d pings in %d rounds of 20 s", pings, rounds)
		}
		for i, s := range scripts {
			if incarnations := s.incarnations.Load(); incarnations < rounds*4/6 {
				t.Errorf("protocol %d had %d incarnations, too few for all kinds of crash", i, incarnations)
			}
		}
	})
}

// TestT2WriterIsReachableThroughTheTokenAlone walks the types of everything that a host, the
// pinger or the reader can reach. Only through a WriteToken, or through the peer and the stage,
// which hand them out, may the walk reach a type that seals or writes.
func TestT2WriterIsReachableThroughTheTokenAlone(t *testing.T) {
	forbidden := map[reflect.Type]bool{}
	for _, v := range []any{frameWriter{}, wire.Encoder{}, wire.Session{}, arbiter{}, peer{}, stage{}, net.TCPConn{}} {
		forbidden[reflect.TypeOf(v)] = true
	}
	writes := reflect.TypeFor[io.Writer]()
	seen := map[reflect.Type]bool{reflect.TypeFor[WriteToken](): true}
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		if forbidden[typ] {
			t.Errorf("%s is reachable: %s", typ, path)
			return
		}
		if seen[typ] {
			return
		}
		seen[typ] = true
		ours := strings.HasPrefix(typ.PkgPath(), "github.com/troupe-p2p/")
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan, reflect.Map:
			walk(typ.Elem(), path)
		case reflect.Interface:
			if typ.Implements(writes) {
				t.Errorf("%s can write: %s", typ, path)
			}
		case reflect.Struct:
			if !ours && typ.PkgPath() != "" && !strings.HasPrefix(typ.PkgPath(), "sync") {
				return
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				walk(f.Type, path+"."+f.Name)
			}
		}
	}
	for _, v := range []any{Link{}, Host{}, incarnation{}, pinger{}, reader{}, pump{}, batch{}, struct{}{},
		LinkEnded{}, RequestWrite{}, ReturnToken{}, closeLink{}, pongsDue{}, batchDue{}, pingCheck{}, farewellOver{}, stopDue{}} {
		walk(reflect.TypeOf(v), reflect.TypeOf(v).Name())
	}
	for _, must := range []reflect.Type{reflect.TypeFor[connection](), reflect.TypeFor[wire.Decoder](), reflect.TypeFor[outbox]()} {
		if !seen[must] {
			t.Errorf("the walk did not reach %v", must)
		}
	}
}

// TestT3StaleTokenCannotWrite keeps tokens after they were taken back, returned, or revoked by a
// crash, and tries to write with them.
func TestT3StaleTokenCannotWrite(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		a, b := &script{}, &script{}
		r := meet(t, a.protocol("a"), b.protocol("b"))
		var kept []*WriteToken
		abuse := func(when string) {
			t.Helper()
			for i, tok := range kept {
				if tok.begin() {
					t.Errorf("%s: begin of token %d succeeds", when, i)
				}
				frame, _ := appendBase(nil, wire.PongMsg, emptyList, r.Snappy)
				if err := tok.write(frame, nil); err != errStaleToken {
					t.Errorf("%s: write with token %d: %v", when, i, err)
				}
			}
		}
		// Taken back: a sleeps with the token unread, and b waits for it.
		woken := make(chan struct{})
		a.sendThen([]byte("a1"), func(actor.Context) {
			kept = append(kept, a.awaitGrant())
			<-woken
			abuse("taken back")
		})
		synctest.Wait()
		_ = b.Send(0, []byte("b1"))
		if p := r.expect(32); string(p.payload) != "b1" {
			t.Errorf("got %q", p.payload)
		}
		close(woken)
		if p := r.expect(16); string(p.payload) != "a1" {
			t.Errorf("got %q", p.payload)
		}
		// Returned: a uses it early, in the middle of its turn.
		a.sendThen([]byte("a2"), func(ctx actor.Context) {
			tok := a.awaitGrant()
			kept = append(kept, tok)
			i := &incarnation{Host: a.Host}
			i.writeGrant(ctx, tok)
			abuse("returned")
		})
		r.expect(16)
		// Revoked by a crash: the next incarnation finds the token in its mailbox.
		a.sendThen([]byte("a3"), func(actor.Context) {
			kept = append(kept, a.awaitGrant())
			panic("with the token unread")
		})
		r.expect(16)
		synctest.Wait()
		abuse("after a crash")
		if len(kept) != 3 || kept[0] == kept[1] || kept[1] == kept[2] || kept[0] == kept[2] {
			t.Errorf("three grants must be three tokens: %p", kept)
		}
		// The stream is intact.
		_ = b.Send(0, []byte("b2"))
		r.expect(32)
	})
}

// TestT4CrashWhileWritingEndsTheLink makes the connection's Write fail at many places.
func TestT4CrashWhileWritingEndsTheLink(t *testing.T) {
	for _, tt := range []struct {
		name   string
		after  int // bytes of the frame that are written before
		do     func(*memConn) error
		side   Side
		reason wire.DiscReason
		want   string // text in the cause
	}{
		{"panic before the first byte", 0, burst, Local, wire.DiscSubprotocolError, "crashed while writing: panic: conn.Write exploded"},
		{"panic after the first byte", 1, burst, Local, wire.DiscSubprotocolError, "crashed while writing: panic: conn.Write exploded"},
		{"panic after the header", 32, burst, Local, wire.DiscSubprotocolError, "crashed while writing: panic: conn.Write exploded"},
		{"panic before the last byte", 32 + 112 + 15, burst, Local, wire.DiscSubprotocolError, "crashed while writing: panic: conn.Write exploded"},
		{"reset before the first byte", 0, fail, Network, wire.DiscNetworkError, errReset.Error()},
		{"reset in the middle", 50, fail, Network, wire.DiscNetworkError, errReset.Error()},
		{"nothing accepted for 20 s", 50, stall, Local, wire.DiscReadTimeout, ErrWriteTimeout.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				a, b := &script{}, &script{}
				ours, theirs := memPipe(64 << 10)
				r := meetOver(t, newNode(t), ours, theirs, a.protocol("a"), b.protocol("b"))
				synctest.Wait()
				ours.fault.Store(&fault{at: tt.after, do: tt.do})
				a.tell(func(actor.Context) { _ = a.Send(0, noise(100)) })
				c := r.wantCause(tt.side, tt.reason, nil)
				if !strings.Contains(c.Error(), tt.want) {
					t.Errorf("cause %q does not contain %q", c, tt.want)
				}
				if tt.side == Local && tt.reason == wire.DiscSubprotocolError && (c.Protocol != "a/1" || !strings.Contains(string(c.Stack), "burst")) {
					t.Errorf("protocol %q, stack %s", c.Protocol, c.Stack)
				}
				// Nothing follows the partial frame: neither b's message nor a Disconnect.
				_ = b.Send(0, nil)
				if _, err := r.read(); err == nil {
					t.Error("the remote could read a message")
				}
				if len(r.in) != tt.after {
					t.Errorf("%d bytes arrived, want %d", len(r.in), tt.after)
				}
			})
		})
	}
}

// TestT4CrashOfOtherWriters: a crash of the other writers also ends the link with a cause: the
// peer's goroutine that answers pings, and the pinger.
func TestT4CrashOfOtherWriters(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(r *remote)
		want  string
	}{
		{"pong", func(r *remote) { r.send(wire.PingMsg, emptyList) }, "peer actor: panic: conn.Write exploded"},
		{"ping", func(*remote) { actortest.After(pingInterval) }, "crashed while writing: panic: conn.Write exploded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				ours, theirs := memPipe(64 << 10)
				r := meetOver(t, newNode(t), ours, theirs, new(script).protocol("a"))
				synctest.Wait()
				ours.fault.Store(&fault{at: 5, do: burst})
				tt.start(r)
				c := r.wantCause(Local, wire.DiscSubprotocolError, nil)
				if !strings.Contains(c.Error(), tt.want) || !strings.Contains(string(c.Stack), "burst") {
					t.Errorf("cause %q, stack:\n%s", c, c.Stack)
				}
			})
		})
	}
}

// TestT4CrashOutsideOfWritingDoesNot: a crash of the holder before or after writing does not end
// the link.
func TestT4CrashOutsideOfWritingDoesNot(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		a := &script{}
		r := meet(t, a.protocol("a"))
		for i, die := range []func(ctx actor.Context){
			func(actor.Context) { a.awaitGrant(); panic("before") },
			func(ctx actor.Context) {
				(&incarnation{Host: a.Host}).writeGrant(ctx, a.awaitGrant())
				panic("after")
			},
		} {
			a.sendThen(text("%d", i), die)
			if p := r.expect(16); string(p.payload) != fmt.Sprint(i) {
				t.Errorf("got %q, want %d", p.payload, i)
			}
			synctest.Wait()
			if c := r.link.Cause(); c != nil {
				t.Fatalf("the link ended: %v", c)
			}
		}
		_ = r.conn.SetReadDeadline(time.Now().Add(time.Second))
		if p, err := r.read(); !os.IsTimeout(err) {
			t.Errorf("the remote received more than was sent: %+v, %v", p, err)
		}
	})
}

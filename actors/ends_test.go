package actors

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

var errTest = errors.New("the protocol's error")

// TestLinkEnds is the table of how a link ends: what the owner, the protocol and the remote are
// notified of.
func TestLinkEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(p *Protocol)
		do     func(r *remote, s *script)
		side   Side
		reason wire.DiscReason
		err    error
		about  string // protocol in the cause
		code   int64  // last message code in the cause, -1 for none
		stack  string // text in the cause's stack
		silent bool   // the remote receives no Disconnect
	}{
		{name: "the owner disconnects", do: func(r *remote, _ *script) { r.link.Disconnect(wire.DiscUselessPeer, errTest) },
			side: Local, reason: wire.DiscUselessPeer, err: errTest, code: -1},
		{name: "the protocol disconnects", do: func(r *remote, s *script) { s.Disconnect(wire.DiscSubprotocolError, errTest) },
			side: Local, reason: wire.DiscSubprotocolError, err: errTest, about: "a/1", code: -1},
		{name: "the remote closes", do: func(r *remote, _ *script) { r.conn.Close() },
			side: Network, reason: wire.DiscNetworkError, err: io.EOF, code: -1, silent: true},
		{name: "the network fails", do: func(r *remote, _ *script) { r.conn.(*memConn).reset() },
			side: Network, reason: wire.DiscNetworkError, err: errReset, code: -1, silent: true},
		{name: "the protocol returns", do: func(r *remote, s *script) { s.tell(func(ctx actor.Context) { ctx.Stop(ctx.Self()) }) },
			side: Local, reason: wire.DiscQuitting, err: ErrReturned, about: "a/1", code: -1},
		{name: "the protocol refuses a message", do: func(r *remote, s *script) { r.send(16+7, []byte("refuse")) },
			side: Local, reason: wire.DiscProtocolError, err: errTest, about: "a/1", code: 7},
		{name: "the protocol returns a cause", do: func(r *remote, s *script) { r.send(16+7, []byte("cause")) },
			side: Local, reason: wire.DiscIncompatibleVersion, err: errTest, about: "mine", code: -1},
		{name: "a temporary protocol panics", change: func(p *Protocol) { p.Restart = supervise.Temporary },
			do:   func(r *remote, s *script) { r.send(16+7, []byte("panic")) },
			side: Local, reason: wire.DiscSubprotocolError, err: errTest, about: "a/1", code: 7, stack: "sayAndDo"},
		{name: "a protocol panics too often", change: func(p *Protocol) { p.Intensity = supervise.Intensity{Restarts: 3, Within: time.Hour} },
			do: func(r *remote, s *script) {
				for range 4 {
					r.send(16+7, []byte("panic"))
				}
			},
			side: Local, reason: wire.DiscSubprotocolError, err: errTest, about: "a/1", code: 7, stack: "sayAndDo"},
		{name: "the peer panics", do: func(r *remote, _ *script) { r.link.root.Send(r.link.PID(), &supervise.Inject{}) },
			side: Local, reason: wire.DiscSubprotocolError, err: supervise.ErrInjected, code: -1, stack: "PanicIfCrash", silent: true},
		{name: "the reader panics", do: func(r *remote, _ *script) {
			r.link.root.Send(actor.NewPID(r.link.PID().Address, r.link.PID().Id+"/"+readerName), &supervise.Inject{})
		}, side: Local, reason: wire.DiscSubprotocolError, err: supervise.ErrInjected, code: -1, stack: "PanicIfCrash"},
		{name: "the pinger panics too often", do: func(r *remote, _ *script) {
			for range 6 {
				r.link.root.Send(actor.NewPID(r.link.PID().Address, r.link.PID().Id+"/"+pingerName), &supervise.Crash{Value: errTest, Stack: []byte("at pinger.go")})
				actortest.After(time.Second)
			}
		}, side: Local, reason: wire.DiscSubprotocolError, err: errTest, code: -1, stack: "at pinger.go"},
		{name: "the owner stops the peer", do: func(r *remote, _ *script) { r.node.stop(r.link) },
			side: Local, reason: wire.DiscQuitting, code: -1, silent: true},
		{name: "the owner stops the peer during a write", do: func(r *remote, s *script) {
			r.link.conn.(*memConn).fault.Store(&fault{do: stall})
			_ = s.Send(0, noise(1000))
			synctest.Wait()
			r.node.stop(r.link)
		}, side: Local, reason: wire.DiscQuitting, code: -1, silent: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				var causes []*Cause
				s := &script{}
				s.message = sayAndDo
				s.down = func(_ actor.Context, c *Cause) { causes = append(causes, c) }
				var change []func(*Protocol)
				if tt.change != nil {
					change = append(change, tt.change)
				}
				r := meet(t, s.protocol("a", change...), new(script).protocol("b"))
				synctest.Wait()
				tt.do(r, s)
				synctest.Wait()
				if !tt.silent {
					r.expectDisconnect(tt.reason)
				} else if tt.side == Local {
					if p, err := r.read(); !errors.Is(err, io.EOF) {
						t.Errorf("socket is not closed: %+v, %v", p, err)
					}
				}
				r.conn.Close()
				c := r.wantCause(tt.side, tt.reason, tt.err)
				if c.Protocol != tt.about {
					t.Errorf("cause %q names protocol %q, want %q", c, c.Protocol, tt.about)
				}
				if c.HasCode != (tt.code >= 0) || c.HasCode && int64(c.Code) != tt.code {
					t.Errorf("%q has code %v %d, want %d", c, c.HasCode, c.Code, tt.code)
				}
				if tt.stack == "" && c.Stack != nil || !strings.Contains(string(c.Stack), tt.stack) {
					t.Errorf("stack %q, want one with %q", c.Stack, tt.stack)
				}
				r.node.waitGone(r.link)
				synctest.Wait()
				// A protocol that stopped alone received ErrReturned before there was a cause.
				if len(causes) != 1 || causes[0] != c && !errors.Is(causes[0], ErrReturned) && tt.stack == "" {
					t.Errorf("Down was called with %v", causes)
				}
				if !isDone(r.link.Done()) || r.node.announced.Load() != 1 {
					t.Errorf("done: %v, the owner received %d LinkEnded", isDone(r.link.Done()), r.node.announced.Load())
				}
				if list := r.node.book.Of("peer", supervise.Stopped); len(list) != 1 || list[0].Reason != c.Error() {
					t.Errorf("the journal has %+v", list)
				}
			})
		})
	}
}

// sayAndDo is a handler that does what the message requests.
func sayAndDo(_ actor.Context, in Inbound) error {
	switch string(in.Payload) {
	case "refuse":
		return errTest
	case "cause":
		return &Cause{Side: Local, Reason: wire.DiscIncompatibleVersion, Protocol: "mine", Err: errTest}
	case "panic":
		panic(errTest)
	}
	return nil
}

func (n *node) stop(l *Link) {
	n.system.Root.Send(n.pid, func(ctx actor.Context) { ctx.Stop(l.PID()) })
}

// TestPanicWhileReading: a panic of the socket's Read is the reader's panic, with its stack, and
// leaks no memory.
func TestPanicWhileReading(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, newNode(t), &explodingReader{memConn: ours}, theirs, new(script).protocol("a"))
		r.send(16, noise(10_000))
		r.write([]byte(explosive))
		c := r.wantCause(Local, wire.DiscSubprotocolError, nil)
		if !strings.Contains(c.Error(), "reader: panic: conn.Read exploded") || !strings.Contains(string(c.Stack), "explodingReader") {
			t.Errorf("cause %q, stack %s", c, c.Stack)
		}
	})
}

const explosive = "explosive bytes!"

type explodingReader struct{ *memConn }

func (c *explodingReader) Read(p []byte) (int, error) {
	n, err := c.memConn.Read(p)
	if strings.HasSuffix(string(p[:n]), explosive) {
		panic("conn.Read exploded")
	}
	return n, err
}

// TestPingerIsRestarted: the pinger is restarted after a crash and goes on pinging, not more often
// than before.
func TestPingerIsRestarted(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		pinger := actor.NewPID(r.link.PID().Address, r.link.PID().Id+"/"+pingerName)
		for range 4 {
			actortest.After(time.Second)
			r.link.root.Send(pinger, &supervise.Crash{Value: errTest})
		}
		actortest.After(time.Second)
		pings := 0
		_ = r.conn.SetReadDeadline(r.link.Started().Add(5*time.Minute + time.Second))
		for {
			p, err := r.read()
			if err != nil {
				break
			}
			if p.code == wire.PingMsg {
				pings++
				r.send(wire.PongMsg, emptyList)
			}
		}
		if pings != 20 {
			t.Errorf("%d pings in five minutes", pings)
		}
		if n := len(r.node.book.Of(pingerName, supervise.Restarted)); n != 4 {
			t.Errorf("the journal has %d restarts of the pinger", n)
		}
	})
}

// TestPingerHasOneTimer: each incarnation of the pinger has one timer, even if a message of the
// old one's timer was unread at the crash.
func TestPingerHasOneTimer(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		n := newNode(t)
		clock := &timerCount{Clock: supervise.SystemClock}
		n.clock = clock
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, new(script).protocol("a"))
		pinger := actor.NewPID(r.link.PID().Address, r.link.PID().Id+"/"+pingerName)
		for range 4 {
			r.link.root.Send(pinger, &supervise.Crash{Value: errTest})
			r.link.root.Send(pinger, &pingCheck{})
			actortest.After(2 * time.Second)
		}
		if running := clock.running.Load(); running != 1 {
			t.Errorf("%d timers are running", running)
		}
	})
}

// timerCount counts the timers that neither fired nor were stopped.
type timerCount struct {
	supervise.Clock
	running atomic.Int64
}

func (c *timerCount) AfterFunc(d time.Duration, f func()) supervise.Timer {
	c.running.Add(1)
	return &countedTimer{c, c.Clock.AfterFunc(d, func() { c.running.Add(-1); f() })}
}

type countedTimer struct {
	clock *timerCount
	supervise.Timer
}

func (t *countedTimer) Stop() bool {
	inTime := t.Timer.Stop()
	if inTime {
		t.clock.running.Add(-1)
	}
	return inTime
}

// TestBehaviourThatCannotBeMade: a panic while making an incarnation is a crash like any other.
func TestBehaviourThatCannotBeMade(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		attempts := 0
		r := meet(t, Protocol{Name: "a", Version: 1, Length: 1, Mount: func(*Host) func() Behaviour {
			return func() Behaviour { attempts++; panic("no behaviour") }
		}})
		r.expectDisconnect(wire.DiscSubprotocolError)
		r.conn.Close()
		c := r.wantCause(Local, wire.DiscSubprotocolError, nil)
		if !strings.Contains(c.Error(), "no behaviour") || attempts != 6 {
			t.Errorf("cause %q after %d attempts", c, attempts)
		}
	})
}

// TestStopsInReverse: protocols stop in the reverse order of their start.
func TestStopsInReverse(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var log []string
		var protocols []Protocol
		for _, name := range []string{"a", "b", "c"} {
			s := &script{}
			s.up = func(actor.Context) { log = append(log, "+"+name) }
			s.down = func(actor.Context, *Cause) { log = append(log, "-"+name) }
			protocols = append(protocols, s.protocol(name))
		}
		n := newNode(t)
		n.dispatcher = oneByOne{}
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, protocols...)
		synctest.Wait()
		r.link.Disconnect(wire.DiscQuitting, nil)
		synctest.Wait()
		if got := strings.Join(log, " "); got != "+a +b +c -c -b -a" {
			t.Errorf("got %s", got)
		}
		r.conn.Close()
	})
}

// oneByOne runs an actor's turn in the goroutine that wakes it, so that turns run in the order of
// the wake-ups.
type oneByOne struct{}

func (oneByOne) Schedule(f func()) { f() }
func (oneByOne) Throughput() int   { return 100 }

// TestStuckHandler: a handler that never returns cannot be ended. The socket is closed
// nevertheless, the owner is notified, and the journal names the handler.
func TestStuckHandler(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, wake := sleeper()
		fine := &script{}
		r := meet(t, s.protocol("a"), fine.protocol("b"))
		r.send(16, nil)
		synctest.Wait()
		begin := time.Now()
		r.link.Disconnect(wire.DiscQuitting, nil)
		r.expectDisconnect(wire.DiscQuitting)
		r.conn.Close()
		r.wantCause(Local, wire.DiscQuitting, nil)
		if took := time.Since(begin); took != 0 {
			t.Errorf("the owner was notified after %v", took)
		}
		actortest.After(stopTimeout + time.Millisecond)
		list := r.node.book.Of("a", supervise.Stopped)
		if len(list) != 1 || !strings.Contains(list[0].Reason, "still in a handler") || list[0].Protocol != "a/1" {
			t.Errorf("the journal has %+v for the stuck handler", list)
		}
		if fine.downs.Load() != 1 || !r.node.hasActor(r.link.PID().Id) {
			t.Error("the other protocols did not stop, or the peer did not wait")
		}
		close(wake)
		synctest.Wait()
		if r.node.hasActor(r.link.PID().Id) {
			t.Error("the peer is still there after the handler returned")
		}
	})
}

// TestLingerIsShort: a remote that neither reads nor closes does not keep the socket open.
func TestLingerIsShort(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		r.aside(func() { // the remote goes on sending
			for {
				if _, err := r.conn.Write(r.seal(16, noise(100))); err != nil {
					return
				}
				<-time.After(10 * time.Millisecond)
			}
		})
		begin := time.Now()
		r.link.Disconnect(wire.DiscQuitting, nil)
		r.wantCause(Local, wire.DiscQuitting, nil)
		if took := time.Since(begin).Round(time.Millisecond); took != lingerTimeout {
			t.Errorf("the socket was closed after %v", took)
		}
		r.expectDisconnect(wire.DiscQuitting)
	})
}

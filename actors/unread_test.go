package actors

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

func TestStanding(t *testing.T) {
	s := int64(time.Second)
	for _, tt := range []struct {
		name               string
		now, writing, lost int64
		want               bool
	}{
		{"no write", 100 * s, 0, 0, false},
		{"a write has begun", 100 * s, 99 * s, 0, false},
		{"five seconds", 100 * s, 95 * s, 0, false},
		{"a little more", 100*s + 1, 95 * s, 0, true},
		{"for long", 100 * s, 1, 0, true},
		{"this node did not run", 100 * s, 1, s, false},
	} {
		if since, got := standing(tt.now, tt.writing, tt.lost); got != tt.want || got && since != tt.writing {
			t.Errorf("%s: %v since %d", tt.name, got, since)
		}
	}
}

func TestNotReadingInWords(t *testing.T) {
	for want, e := range map[string]*NotReadingError{
		"the remote had read nothing for 12.3s": {For: 12345 * time.Millisecond},
		"connection reset by peer; the remote had read nothing for 7s while these waited: 100 bytes of a/1, 20 bytes of b/2": {
			For: 7 * time.Second, Err: errReset, Waiting: []Waiting{{"a/1", 100}, {"b/2", 20}},
		},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// TestRemoteThatStoppedReadingIsNamed: whatever ends a link whose remote does not read, the cause
// says so, and since when, and which protocols had something to send. A remote that reads, however
// slowly, is not accused.
func TestRemoteThatStoppedReadingIsNamed(t *testing.T) {
	const bytes, after = 200_000, 12 * time.Second
	reset := func(r *remote) { r.conn.(*memConn).reset() }
	for _, tt := range []struct {
		name    string
		end     func(r *remote) // after 12 s; nil: the link ends by itself
		readsOn time.Duration   // 0: the remote does not read
		pings   bool            // the remote sends pings without end
		side    Side
		err     error
		stood   time.Duration // 0: the remote is not accused
	}{
		{"the connection is reset", reset, 0, false, Network, errReset, after},
		{"the connection is closed", func(r *remote) { r.conn.Close() }, 0, false, Network, nil, after},
		{"the remote disconnects", func(r *remote) {
			r.send(wire.DiscMsg, wire.AppendDisconnect(nil, wire.DiscSubprotocolError))
		}, 0, false, Remote, nil, after},
		{"this node disconnects", func(r *remote) { r.link.Disconnect(wire.DiscQuitting, nil) }, 0, false, Local, nil, after},
		{"the write deadline", nil, 0, false, Local, ErrWriteTimeout, writeTimeout},
		{"mutual backpressure", nil, 0, true, Local, ErrMutualBackpressure, writeTimeout},
		{"a slow reader is reset", reset, time.Second, false, Network, errReset, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				var down *Cause
				a, b := &script{}, &script{}
				a.down = func(_ actor.Context, c *Cause) { down = c }
				r := meet(t, a.protocol("a"), b.protocol("b"), new(script).protocol("idle"))
				begin := time.Now()
				for _, s := range []*script{a, b} {
					if err := s.Host.Send(0, noise(bytes)); err != nil {
						t.Fatal(err)
					}
				}
				if tt.readsOn != 0 {
					r.aside(func() {
						for buf := make([]byte, 8<<10); ; <-time.After(tt.readsOn) {
							if _, err := r.conn.Read(buf); err != nil {
								return
							}
						}
					})
				}
				if tt.pings {
					r.flood(100_000, wire.PingMsg, emptyList)
				}
				if tt.end != nil {
					actortest.After(after)
					tt.end(r)
				}
				<-r.link.context().Done()
				ended := time.Now()
				c := r.node.wait().Cause
				if c.Side != tt.side || tt.err != nil && !errors.Is(c, tt.err) {
					t.Errorf("ended with %q, want %v: %v", c, tt.side, tt.err)
				}
				synctest.Wait()
				if down != c {
					t.Errorf("the protocol got the cause %v", down)
				}
				var e *NotReadingError
				if accused := errors.As(c, &e); accused != (tt.stood != 0) {
					t.Fatalf("cause %v", c)
				}
				if e == nil {
					return
				}
				if late := e.Since.Sub(begin); late < 0 || late > writeSlice || e.For != ended.Sub(e.Since) || e.For < tt.stood-writeSlice {
					t.Errorf("stood from %v for %v, want %v", late, e.For, tt.stood)
				}
				if len(e.Waiting) != 2 || e.Waiting[0].Protocol != "a/1" || e.Waiting[1].Protocol != "b/1" ||
					e.Waiting[0].Bytes < bytes || e.Waiting[1].Bytes < bytes {
					t.Errorf("waiting: %v", e.Waiting)
				}
				r.node.waitGone(r.link)
				if steps := r.node.book.Of("peer", supervise.Stopped); len(steps) != 1 || !strings.Contains(steps[0].Reason, "a/1") {
					t.Errorf("the journal has %v", steps)
				}
			})
		})
	}
}

// deafSource is a source whose remote has not acknowledged that many bytes.
type deafSource struct {
	source
	bytes int
}

func (s deafSource) unacknowledged() int { return s.bytes }

// TestSilenceNamesWhatIsUnacknowledged: a remote whose system takes nothing more is silent, too. The
// cause says that it has not acknowledged what this node sent.
func TestSilenceNamesWhatIsUnacknowledged(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes int
		c     Cause
		want  string // empty: the cause is left as it is
	}{
		{"half a frame", 83120, Cause{Side: Local, Err: ErrSlowFrame}, ErrSlowFrame.Error() + "; the remote has not acknowledged 83120 bytes"},
		{"nothing", 1, Cause{Side: Local, Err: ErrPingTimeout}, ErrPingTimeout.Error() + "; the remote has not acknowledged 1 bytes"},
		{"nothing, and all is acknowledged", 0, Cause{Side: Local, Err: ErrPingTimeout}, ""},
		{"a Disconnect", 100, Cause{Side: Remote, Err: nil}, ""},
	} {
		l := &Link{src: deafSource{bytes: tt.bytes}}
		got := l.explainSilence(&tt.c)
		if tt.want == "" {
			if got != &tt.c {
				t.Errorf("%s: the cause became %v", tt.name, got)
			}
			continue
		}
		if got.Err.Error() != tt.want || !errors.Is(got, tt.c.Err) {
			t.Errorf("%s: %q, want %q", tt.name, got.Err, tt.want)
		}
	}
}

// TestUnacknowledged: a socket knows what its remote has not taken.
func TestUnacknowledged(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not say")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	src := newSource(here)
	if n := src.unacknowledged(); n != 0 {
		t.Errorf("%d bytes before anything is written", n)
	}
	for wrote := 0; wrote == 0; { // on a busy machine the deadline may pass before anything is written
		if err := here.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if wrote, err = here.Write(make([]byte, 64<<20)); err == nil {
			t.Fatalf("the system took %d bytes", wrote)
		}
	}
	if src.unacknowledged() == 0 {
		t.Error("nothing is unacknowledged, and the remote reads nothing")
	}
	here.Close()
	if n := src.unacknowledged(); n != 0 {
		t.Errorf("%d bytes of a closed socket", n)
	}
}

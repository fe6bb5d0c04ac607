package punch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/nat/stun"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// observer is a neighbour that answers the first requests with the given answers, and later
// ones correctly. It counts the requests. conns has the connections after their answers.
type observer struct {
	at    netip.AddrPort
	asked atomic.Int32
	conns chan net.Conn
}

func newObserver(t *testing.T, answers ...[]byte) *observer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &observer{at: netaddr.Of(ln.Addr()), conns: make(chan net.Conn, 64)}
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			request := make([]byte, stun.HeaderSize)
			if _, err := io.ReadFull(conn, request); err != nil {
				t.Errorf("reading the request: %v", err)
			}
			answer, ok := stun.AnswerStream(request, netaddr.Of(conn.RemoteAddr()))
			if !ok {
				t.Errorf("% x is not a STUN request", request)
			}
			if i := int(o.asked.Add(1)) - 1; i < len(answers) {
				answer = answers[i]
			}
			if _, err := conn.Write(answer); err != nil {
				t.Errorf("writing the answer: %v", err)
			}
			o.conns <- conn
		}
	})
	t.Cleanup(func() {
		ln.Close()
		answering.Wait()
		close(o.conns)
		for conn := range o.conns {
			conn.Close()
		}
	})
	return o
}

func TestObserved(t *testing.T) {
	g, o := newGate(t, "127.0.0.1"), newObserver(t)
	for range 3 { // the same two endpoints can be used again at once
		seen, held, err := g.Observed(t.Context(), o.at)
		if err != nil || seen != g.at {
			t.Fatalf("observed as %v, %v; want %v", seen, err, g.at)
		}
		conn := <-o.conns
		if netaddr.Of(conn.RemoteAddr()) != g.at {
			t.Errorf("connection from %v, want %v", conn.RemoteAddr(), g.at)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the connection was not kept open: %v", err)
		}
		for range 2 { // the second Close changes nothing
			if err := held.Close(); err != nil {
				t.Error(err)
			}
		}
		conn.Close()
	}
}

// TestObservedIsShared: concurrent observations share a connection, which is closed when the last
// user has released it.
func TestObservedIsShared(t *testing.T) {
	g, o := newGate(t, "127.0.0.1"), newObserver(t)
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		holds  []io.Closer
	)
	for range 16 {
		asking.Go(func() {
			seen, held, err := g.Observed(t.Context(), o.at)
			if err != nil || seen != g.at {
				t.Errorf("observed as %v, %v; want %v", seen, err, g.at)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			holds = append(holds, held)
		})
	}
	asking.Wait()
	if n := o.asked.Load(); n != 1 {
		t.Errorf("the neighbour got %d requests, want 1", n)
	}
	conn := <-o.conns
	defer conn.Close()
	for _, held := range holds[1:] {
		held.Close()
		held.Close() // counts once
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not kept open for the last user: %v", err)
	}
	holds[0].Close()
	if len(g.observations) != 0 {
		t.Error("the observation was not removed")
	}
}

// TestInvalidAnswers: a neighbour that answers in a wrong format causes an error.
func TestInvalidAnswers(t *testing.T) {
	long := append([]byte{1, 1, 0xff, 0xff}, make([]byte, 60)...)
	g, o := newGate(t, "127.0.0.1"), newObserver(t, make([]byte, stun.HeaderSize), long)
	for range 2 {
		if _, held, err := g.Observed(t.Context(), o.at); !errors.Is(err, errNotObserved) || held != nil {
			t.Errorf("got %v, want %v", err, errNotObserved)
		}
	}
	if _, held, err := g.Observed(t.Context(), o.at); err != nil {
		t.Errorf("valid answer: %v", err)
	} else {
		held.Close()
	}
}

// TestObservedWithoutAnswer: two callers wait for one request, and the neighbour does not answer.
// When the first caller is cancelled, the second sends a request of its own.
func TestObservedWithoutAnswer(t *testing.T) {
	g, o := newGate(t, "127.0.0.1"), newObserver(t, []byte{})
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("reason")
	first, second := make(chan error, 1), make(chan error, 1)
	ask := func(ctx context.Context, done chan<- error) {
		_, held, err := g.Observed(ctx, o.at)
		if err == nil {
			held.Close()
		}
		done <- err
	}
	go ask(ctx, first)
	conn := <-o.conns
	defer conn.Close()
	go ask(t.Context(), second)
	actortest.Eventually(t, "two callers wait for one request", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		s := g.observations[o.at]
		return s != nil && s.users == 2
	})
	cancel(reason)
	if err := <-first; !errors.Is(err, reason) {
		t.Errorf("first caller: %v, want %v", err, reason)
	}
	if err := <-second; err != nil {
		t.Errorf("second caller: %v", err)
	}
	if len(g.observations) != 0 {
		t.Error("the observation was not removed")
	}
}

func TestObservedFails(t *testing.T) {
	g := newGate(t, "127.0.0.1")
	g.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if _, _, err := g.Observed(t.Context(), netip.MustParseAddrPort("127.0.0.2:1")); !errors.Is(err, refusal.ErrNotAllowed) {
		t.Errorf("outside the allowed networks: %v", err)
	}
	g.Networks = nil
	if _, _, err := g.Observed(t.Context(), netip.MustParseAddrPort("127.0.0.2:1")); err == nil {
		t.Error("no error although no socket listens there")
	}
	if len(g.observations) != 0 {
		t.Error("the observation was not removed")
	}
}

func TestAnnounced(t *testing.T) {
	at := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	now := time.Unix(1, 0)
	var a announcements
	a.add(at("192.0.2.1"), now)
	a.add(at("192.0.2.1"), now.Add(time.Second))
	a.add(at("192.0.2.2"), now.Add(2*time.Second))
	for _, tt := range []struct {
		from  string
		after time.Duration
		want  bool
	}{
		{"192.0.2.3", 0, false},
		{"192.0.2.1", 10 * time.Second, true}, // within ten seconds of the last announcement
		{"192.0.2.1", 10 * time.Second, false},
		{"192.0.2.2", 12 * time.Second, false},
	} {
		if got := a.remove(at(tt.from), now.Add(tt.after)); got != tt.want {
			t.Errorf("%s after %v: %v, want %v", tt.from, tt.after, got, tt.want)
		}
	}
	for i := range 2 * maxAnnounced {
		a.add(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	if len(a.list) != maxAnnounced || a.remove(at("10.0.1.0"), now) || !a.remove(at("10.0.0.0"), now) {
		t.Errorf("%d announcements, want the first %d", len(a.list), maxAnnounced)
	}
	a.add(at("192.0.2.9"), now.Add(time.Minute))
	if len(a.list) != 1 {
		t.Errorf("%d announcements a minute later, want 1", len(a.list))
	}
}

package admin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// resting is a guest that rests since a second; 0: it does not rest.
type resting struct {
	since  int64
	closed bool
}

func (r *resting) rests() (time.Time, bool) { return time.Unix(r.since, 0), r.since != 0 }
func (r *resting) Close() error             { r.closed = true; return nil }

func TestWhichConnectionMakesRoom(t *testing.T) {
	for name, tt := range map[string]struct {
		since []int64 // of the connections that are open, which came a millisecond after each other
		spare bool
		after time.Duration // since the last one came
		out   int           // which of them makes room; -1: none
		ok    bool
	}{
		"room is left":              {[]int64{1, 2}, true, visit, -1, true},
		"the oldest":                {[]int64{3, 1, 2}, true, visit, 1, true},
		"the only one":              {[]int64{0, 0, 9}, false, 0, 2, true},
		"the oldest idle":           {[]int64{0, 9, 8}, false, 0, 2, true},
		"none rests":                {[]int64{0, 0, 0}, false, time.Hour, -1, false},
		"the visitor":               {[]int64{0, 0, 0}, true, visit, 2, true},
		"the visitor has just come": {[]int64{0, 0, 0}, true, visit - 1, -1, false},
		"one rests, no visitor":     {[]int64{0, 9, 0}, true, time.Hour, 1, true},
	} {
		var evicted atomic.Uint64
		p := newPlaces(3, tt.spare, &evicted)
		now := time.Unix(100, 0)
		var open []*resting
		for _, since := range tt.since {
			now = now.Add(time.Millisecond)
			open = append(open, &resting{since: since})
			p.enter(open[len(open)-1], now)
		}
		ok := p.enter(&resting{since: 10}, now.Add(tt.after))
		for i, r := range open {
			if r.closed != (i == tt.out) {
				t.Errorf("%s: connection %d closed: %v", name, i, r.closed)
			}
		}
		if ok != tt.ok || evicted.Load() == 0 != (tt.out < 0) || len(p.open) > 3 {
			t.Errorf("%s: has a place: %v; %d made room, %d are open", name, ok, evicted.Load(), len(p.open))
		}
	}
}

// TestHopeless: once a connection has waited in vain, others wait no longer, until one gets a place.
func TestHopeless(t *testing.T) {
	p, now := newPlaces(1, false, new(atomic.Uint64)), time.Unix(100, 0)
	held := &resting{}
	p.enter(held, now)
	for _, after := range []time.Duration{0, placeWait - 1, placeWait, time.Hour} {
		if p.enter(&resting{}, now.Add(after)) || p.hopeless(now.Add(after)) != (after >= placeWait) {
			t.Errorf("after %v: a place, or hopeless: %v", after, p.hopeless(now.Add(after)))
		}
	}
	p.leave(held)
	if !p.enter(&resting{}, now.Add(time.Hour)) || p.hopeless(now.Add(time.Hour)) {
		t.Error("no place, or hopeless, after one was left")
	}
}

// crowd serves the socket and HTTP with WebSocket, and returns both addresses.
func crowd(t *testing.T, b *busy) (o *harness, ipc, tcp string) {
	t.Helper()
	ipc = socketIn(t)
	o = serve(t, Config{
		IPC: ipc, HTTP: &HTTP{Addr: "127.0.0.1:0", HTTP: true, WebSocket: true, Namespaces: []string{"toy", "busy"}},
		APIs: func() []API { return []API{{Namespace: "toy", Service: toy{}}, {Namespace: "busy", Service: b}} },
	})
	return o, ipc, o.sockets.Addr()
}

// Connections that have sent a part of a request, or nothing, keep no client out. Those of
// clients that wait for an answer or for events stay.
func TestHalfSentRequestsKeepNoClientOut(t *testing.T) {
	b := &busy{release: make(chan struct{}), begin: make(chan struct{}), over: make(chan struct{})}
	o, ipc, tcp := crowd(t, b)
	answers := make(chan error, 2)
	var events []chan string
	for _, url := range []string{ipc, "ws://" + tcp} {
		subscriber, caller := dialAt(t, url), dialAt(t, url)
		heard := make(chan string, 1)
		if _, err := subscriber.Subscribe(t.Context(), "busy", heard, "once"); err != nil {
			t.Fatal(err)
		}
		events = append(events, heard)
		go func() { answers <- caller.CallContext(t.Context(), new(bool), "busy_wait") }()
	}
	actortest.Eventually(t, "two calls under way", func() bool { return b.started.Load() == 2 })
	for i := range 200 {
		for network, to := range map[string]string{"unix": ipc, "tcp": tcp} {
			conn, err := net.Dial(network, to)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			half := []string{"", `{"jsonrpc":"2.0",`}[i%2]
			if network == "tcp" {
				half = []string{"", "POST / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"}[i%3]
			}
			_, _ = io.WriteString(conn, half) // the node may have closed it to make room
		}
	}
	if sum, err := add(t, dialAt(t, ipc)); sum != 5 {
		t.Errorf("call by IPC: %v", err)
	}
	if status, text, _ := post(t, "http://"+tcp, sum); !strings.Contains(text, `"result":5`) {
		t.Errorf("call by HTTP: %d %s", status, text)
	}
	if sum, err := add(t, dialAt(t, "ws://"+tcp)); sum != 5 {
		t.Errorf("call by WebSocket: %v", err)
	}
	close(b.release)
	for range 2 {
		if err := actortest.Receive(t, answers); err != nil {
			t.Errorf("a call that was under way: %v", err)
		}
	}
	close(b.begin)
	for _, heard := range events {
		if got := actortest.Receive(t, heard); got != "event" {
			t.Errorf("a subscriber got %q", got)
		}
	}
	if s := o.sockets.State(); s.Evicted < 300 || s.Rejected != 0 {
		t.Errorf("counters %+v", s)
	}
}

// takeAll takes all places of both listeners with calls that last until b.release is closed. The
// channel has the result of each.
func takeAll(t *testing.T, b *busy, urls ...string) <-chan error {
	t.Helper()
	answers := make(chan error, len(urls)*maxConns)
	for _, url := range urls {
		for range maxConns {
			c := dialAt(t, url)
			go func() { answers <- c.CallContext(t.Context(), new(bool), "busy_wait") }()
		}
	}
	actortest.Eventually(t, "calls on all connections", func() bool { return int(b.started.Load()) == len(urls)*maxConns })
	return answers
}

// The socket has a place for a visit while long calls have all others, and for the next visit.
func TestLongCallsKeepNoClientOfTheSocketOut(t *testing.T) {
	b := &busy{release: make(chan struct{})}
	o, ipc, _ := crowd(t, b)
	answers := takeAll(t, b, ipc)
	for range 3 {
		visitor := dialAt(t, ipc)
		if sum, err := add(t, visitor); sum != 5 {
			t.Errorf("call by IPC: %v", err)
		}
		visitor.Close()
	}
	close(b.release)
	failed := 0
	for range maxConns {
		if err := actortest.Receive(t, answers); err != nil {
			failed++
		}
	}
	if s := o.sockets.State(); failed != 1 || s.Rejected != 0 {
		t.Errorf("%d calls made room, want one; counters %+v", failed, s)
	}
}

// If all clients wait for an answer, a further one by TCP waits for a moment.
func TestNewConnectionWaitsForAPlace(t *testing.T) {
	b := &busy{release: make(chan struct{})}
	_, _, tcp := crowd(t, b)
	answers := takeAll(t, b, "ws://"+tcp)
	waits, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	fmt.Fprintf(waits, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(sum), sum)
	close(b.release)
	for range maxConns {
		if err := actortest.Receive(t, answers); err != nil {
			t.Error(err)
		}
	}
	// One of the others rests now and makes room.
	if text, err := io.ReadAll(waits); !strings.Contains(string(text), `"result":5`) {
		t.Errorf("the connection that waited read %q, %v", text, err)
	}
}

// If they go on waiting, it gets an error that says so, also while it still sends.
func TestTooManyConnections(t *testing.T) {
	b := &busy{release: make(chan struct{})}
	o, _, tcp := crowd(t, b)
	answers := takeAll(t, b, "ws://"+tcp)
	for _, body := range []string{sum, strings.Repeat(" ", 1<<20) + sum} {
		if status, text, _ := post(t, "http://"+tcp, body); status != http.StatusServiceUnavailable || !strings.Contains(text, "too many connections: 32 are open") {
			t.Errorf("a request beyond the limit: %d, %q", status, text)
		}
	}
	silent, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	actortest.Eventually(t, "three rejections", func() bool { return o.sockets.State().Rejected == 3 })
	close(b.release)
	for range maxConns {
		if err := actortest.Receive(t, answers); err != nil {
			t.Error(err)
		}
	}
}

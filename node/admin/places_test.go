package admin

import (
	"fmt"
	"io"
	"net"
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
		since []int64 // of the connections that are open
		out   int     // which of them makes room; -1: none
		ok    bool
	}{
		"room is left":    {[]int64{1, 2}, -1, true},
		"the oldest":      {[]int64{3, 1, 2}, 1, true},
		"the only one":    {[]int64{0, 0, 9}, 2, true},
		"the oldest idle": {[]int64{0, 9, 8}, 2, true},
		"none rests":      {[]int64{0, 0, 0}, -1, false},
	} {
		var evicted atomic.Uint64
		p := newPlaces(3, &evicted)
		var open []*resting
		for _, since := range tt.since {
			open = append(open, &resting{since: since})
			p.enter(open[len(open)-1])
		}
		ok := p.enter(&resting{since: 10})
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

// If all clients wait for an answer, a further one gets an error by IPC, and waits by TCP.
func TestTooManyConnections(t *testing.T) {
	b := &busy{release: make(chan struct{})}
	_, ipc, tcp := crowd(t, b)
	answers := make(chan error, 2*maxConns)
	for _, url := range []string{ipc, "ws://" + tcp} {
		for range maxConns {
			c := dialAt(t, url)
			go func() { answers <- c.CallContext(t.Context(), new(bool), "busy_wait") }()
		}
	}
	actortest.Eventually(t, "calls on all connections", func() bool { return b.started.Load() == 2*maxConns })
	conn, err := net.Dial("unix", ipc)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if text, err := io.ReadAll(conn); !strings.Contains(string(text), "too many connections") {
		t.Errorf("a connection beyond the limit read %q, %v", text, err)
	}
	waits, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	fmt.Fprintf(waits, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(sum), sum)
	close(b.release)
	for range 2 * maxConns {
		if err := actortest.Receive(t, answers); err != nil {
			t.Error(err)
		}
	}
	// One of the others rests now and makes room.
	if text, err := io.ReadAll(waits); !strings.Contains(string(text), `"result":5`) {
		t.Errorf("the connection that waited read %q, %v", text, err)
	}
}

// Package troupe_test has the stories that cross the whole house: two nodes on
// real TCP, go-ethereum at the other end, remotes that mean no good. It uses
// public API only.
package troupe_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/node"
)

// patience is how long a test waits for what should come at once.
const patience = 2 * time.Minute

// TestMain lets alone what go-ethereum's node database leaves behind for up to 30 s after its
// close, and gives discovery time to end: that of a node which was killed takes a second or
// two.
func TestMain(m *testing.M) {
	database := goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain")
	goleak.VerifyTestMain(patient{m, database}, database)
}

// patient runs tests, and waits until all goroutines have ended, within reason.
type patient struct {
	m       goleak.TestingM
	allowed goleak.Option
}

func (p patient) Run() int {
	code := p.m.Run()
	for range 30 {
		if goleak.Find(p.allowed) == nil { // it tries for some time itself
			break
		}
	}
	return code
}

// unlessRace gives the amount of work for this run.
func unlessRace(full, withRace int) int {
	if raceEnabled {
		return withRace
	}
	return full
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// startNode runs a node that listens on loopback until the test ends.
func startNode(t testing.TB, edit func(*node.Config)) *node.Node {
	t.Helper()
	cfg := node.Config{Key: newKey(t), Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}
	edit(&cfg)
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return n
}

// connected links two nodes, the first dialing. Both know of it afterwards.
func connected(t testing.TB, a, b *node.Node) {
	t.Helper()
	atA, atB := watch(t, a), watch(t, b)
	if err := a.AddPeer(b.Self()); err != nil {
		t.Fatal(err)
	}
	atA.next(node.PeerAdded)
	atB.next(node.PeerAdded)
}

// peerOf is what a node knows of one of its peers.
func peerOf(t testing.TB, n *node.Node, id enode.ID) node.PeerInfo {
	t.Helper()
	for _, p := range n.Peers() {
		if p.ID == id {
			return p
		}
	}
	t.Fatalf("no peer %v", id)
	panic("unreachable")
}

// within waits for one value.
func within[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case v, ok := <-ch:
		if !ok {
			t.Fatal("nothing more comes")
		}
		return v
	case <-timeout.C:
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

// eventually waits for something that nobody tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("did not come about: %s", what)
		}
	}
}

// watcher reads a node's events.
type watcher struct {
	t  testing.TB
	ch <-chan node.Event
}

func watch(t testing.TB, n *node.Node) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return &watcher{t, n.Subscribe(ctx)}
}

// next waits for the next event of a kind, past those of others.
func (w *watcher) next(kind node.EventKind) node.Event {
	w.t.Helper()
	for {
		if e := within(w.t, w.ch); e.Kind == kind {
			return e
		}
	}
}

// logBook is a log that a test reads, down to its details.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logBook) logger() *slog.Logger { return node.NewJSONLog(l, slog.LevelDebug) }

// record is one line of the actor log.
type record struct {
	Level, Actor, Event, Reason string
	Protocol, Peer, Direction   string
	Restarts                    int
	Backoff                     time.Duration
	Stack                       string
}

// of gives the records of one actor, by the last part of its path.
func (l *logBook) of(t testing.TB, name string) []record {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []record
	for _, line := range l.lines {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("log: %v in %s", err, line)
		}
		if r.Event != "" && r.Actor[strings.LastIndexByte(r.Actor, '/')+1:] == name {
			list = append(list, r)
		}
	}
	return list
}

// has says whether a line of the log has these words.
func (l *logBook) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, words) })
}

// tcpTo opens a bare connection to a node.
func tcpTo(t testing.TB, n *node.Node) *net.TCPConn {
	t.Helper()
	at, ok := n.Self().TCPEndpoint()
	if !ok {
		t.Fatalf("%v has no endpoint", n.Self())
	}
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

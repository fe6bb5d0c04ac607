// Package troupe_test has the stories that cross the whole house: two nodes on
// real TCP, go-ethereum at the other end, remotes that mean no good. It uses
// public API only.
package troupe_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/node"
)

// patience is how long a test waits for what should come at once.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// go-ethereum's node database leaves one behind for up to 30 s after its close.
		goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
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

// connected links two nodes, the first dialing.
func connected(t testing.TB, a, b *node.Node) {
	t.Helper()
	events := watch(t, b)
	if err := a.AddPeer(b.Self()); err != nil {
		t.Fatal(err)
	}
	events.next(node.PeerAdded)
}

// within waits for one value.
func within[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
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

// logBook is a log that a test reads.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

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

// eventually waits for something that nobody tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("did not come about: %s", what)
		}
	}
}

package node_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// TestMain: the node database's library drains its buffers for a second after it was
// closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

// quietSystem makes a runtime that logs nothing.
func quietSystem() *actor.ActorSystem {
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterThrottleInterval(10*time.Millisecond), // or goleak finds its goroutine
	)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// orderedKeys gives two keys, the one with the lower node ID first.
func orderedKeys(t testing.TB) (low, high *ecdsa.PrivateKey) {
	t.Helper()
	low, high = newKey(t), newKey(t)
	if a, b := enode.PubkeyToIDV4(&low.PublicKey), enode.PubkeyToIDV4(&high.PublicKey); bytes.Compare(a[:], b[:]) > 0 {
		low, high = high, low
	}
	return low, high
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// startNode runs a node that listens on loopback and offers greet/1, until the test ends.
func startNode(t testing.TB, edit func(*node.Config)) *node.Node {
	t.Helper()
	cfg := node.Config{
		Key: newKey(t), Name: t.Name(), Listen: []netip.AddrPort{loopback}, Specs: []protocols.Spec{greetSpec("greet")},
		Logger: slog.New(&strictHandler{Handler: slog.DiscardHandler, t: t}),
	}
	if edit != nil {
		edit(&cfg)
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNode(t, n) })
	return n
}

// strictHandler fails a test on errors in the log: a panic that nobody asked for, most of
// all one while stopping, which shows nowhere else.
type strictHandler struct {
	slog.Handler
	t testing.TB
}

func (h *strictHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (h *strictHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		h.t.Errorf("log: %s: %v", r.Message, a)
		return true
	})
	return nil
}

func (h *strictHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func stopNode(t testing.TB, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// watcher reads a node's events and remembers them.
type watcher struct {
	t  testing.TB
	ch <-chan node.Event
}

// watch subscribes until the test ends.
func watch(t testing.TB, n *node.Node) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return &watcher{t, n.Subscribe(ctx)}
}

// next waits for the next event of a kind, past those of others.
func (w *watcher) next(kind node.EventKind) node.Event {
	w.t.Helper()
	return w.until(kind.String(), func(e node.Event) bool { return e.Kind == kind })
}

func (w *watcher) until(what string, is func(node.Event) bool) node.Event {
	w.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, ok := <-w.ch:
			if !ok {
				w.t.Fatalf("events ended before: %s", what)
			}
			if is(e) {
				return e
			}
		case <-timeout:
			w.t.Fatalf("nothing came: %s", what)
		}
	}
}

// client is a remote that the test plays by hand.
type client struct {
	net.Conn
	*wire.Session
}

// connect opens a session to a node as somebody who offers caps.
func connect(t testing.TB, to *node.Node, key *ecdsa.PrivateKey, caps ...wire.Cap) (*client, error) {
	t.Helper()
	conn := openTo(t, to)
	h := &wire.Hello{Version: wire.BaseVersion, Name: "client", Caps: caps, ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:])}
	s, err := wire.Dial(conn, key, to.Self().Pubkey(), h, wire.Options{})
	return &client{conn, s}, err
}

var greet = wire.Cap{Name: "greet", Version: 1}

// openTo opens a TCP connection to a node.
func openTo(t testing.TB, to *node.Node) net.Conn {
	t.Helper()
	at, ok := to.Self().TCPEndpoint()
	if !ok {
		t.Fatalf("%v has no endpoint", to.Self())
	}
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// refusedWith wants a connection to have failed because the remote said so.
func refusedWith(t testing.TB, err error, want wire.DiscReason) {
	t.Helper()
	var remote *wire.RemoteDisconnect
	if !errors.As(err, &remote) || remote.Reason != want {
		t.Errorf("got %v, want the remote to say: %v", err, want)
	}
}

func idOf(key *ecdsa.PrivateKey) enode.ID { return enode.PubkeyToIDV4(&key.PublicKey) }

// eventually waits for something that nobody tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
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

// awaitDisconnect reads until the node says good-bye, and gives its reason.
func (c *client) awaitDisconnect(t testing.TB) wire.DiscReason {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := append(make([]byte, 0, 64<<10), c.Rest...)
	for {
		frame, n, _, err := c.Decoder.Next(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			got, err := c.Conn.Read(buf[len(buf):cap(buf)])
			if err != nil {
				t.Fatalf("hung up without a Disconnect: %v", err)
			}
			buf = buf[:len(buf)+got]
			continue
		}
		code, payload, err := wire.ParseMessage(frame)
		if err != nil {
			t.Fatal(err)
		}
		if code == wire.DiscMsg {
			reason, err := wire.ParseDisconnect(payload, c.Snappy)
			if err != nil {
				t.Fatal(err)
			}
			return reason
		}
		buf = append(buf[:0], buf[n:]...)
	}
}

var errTimeout = os.ErrDeadlineExceeded

// idBytes is a node's ID as a Hello has it.
func idBytes(n *node.Node) [64]byte {
	return [64]byte(crypto.FromECDSAPub(n.Self().Pubkey())[1:])
}

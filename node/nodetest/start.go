package nodetest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
)

// Loopback is a free port of 127.0.0.1, for node.Config.Listen.
var Loopback = netip.MustParseAddrPort("127.0.0.1:0")

// Start runs a node until the test ends. It listens at [Loopback], has a new key, the name of
// the test and a [StrictLog]; edit adds the Specs and changes the rest. The test fails if the
// node does not start or stop.
func Start(t testing.TB, edit func(*node.Config)) *node.Node {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{Key: key, Name: t.Name(), Listen: []netip.AddrPort{Loopback}, Logger: StrictLog(t)}
	edit(&cfg)
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(t, n) })
	return n
}

// Stop stops a node. The test fails if that takes too long.
func Stop(t testing.TB, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), actortest.Patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// StrictLog is a log that fails the test at each error. An error is a panic that the test did
// not inject, for example one while an actor stops, which shows nowhere else.
func StrictLog(t testing.TB) *slog.Logger { return slog.New(strictHandler{t}) }

type strictHandler struct{ t testing.TB }

func (strictHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h strictHandler) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h strictHandler) WithGroup(string) slog.Handler              { return h }

// NonBlocking implements asynclog.NonBlocking.
func (strictHandler) NonBlocking() bool { return true }

func (h strictHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		h.t.Errorf("log: %s: %v", r.Message, a)
		return true
	})
	return nil
}

// Connect makes a static node of another one, and waits until both have the link.
func Connect(t testing.TB, from, to *node.Node) {
	t.Helper()
	there, here := Watch(t, to), Watch(t, from)
	if err := from.AddPeer(to.Self()); err != nil {
		t.Fatal(err)
	}
	here.Next(node.PeerAdded)
	there.Next(node.PeerAdded)
}

// Peer returns what a node knows of one of its peers. The test fails if it is no peer.
func Peer(t testing.TB, n *node.Node, id enode.ID) node.PeerInfo {
	t.Helper()
	for _, p := range n.Peers() {
		if p.ID == id {
			return p
		}
	}
	t.Fatalf("%v is no peer", id)
	panic("unreachable")
}

// DialTCP opens a connection to a node, and closes it when the test ends.
func DialTCP(t testing.TB, to *node.Node) *net.TCPConn {
	t.Helper()
	at, ok := to.Self().TCPEndpoint()
	if !ok {
		t.Fatalf("%v has no TCP endpoint", to.Self())
	}
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

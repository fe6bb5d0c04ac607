package node_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// TestTwoNodes: both nodes know the same of their link, and one learns why the other ended it.
func TestTwoNodes(t *testing.T) {
	system := actortest.NewSystem()
	a := startNode(t, func(c *node.Config) { c.System = system })
	atA := nodetest.Watch(t, a)
	b := startNode(t, func(c *node.Config) {
		c.System = system
		c.StaticNodes = []*enode.Node{a.Self()}
	})
	if added := atA.Next(node.PeerAdded); added.Peer.ID != b.ID() || !added.Peer.Inbound {
		t.Errorf("peer %+v, want %v inbound", added.Peer, b.ID())
	}
	actortest.Eventually(t, "both nodes have a peer", func() bool { return a.PeerCount() == 1 && b.PeerCount() == 1 })
	atB := nodetest.Watch(t, b)

	of := b.Peers()[0]
	if of.ID != a.ID() || of.Inbound || !of.Static || of.Trusted || of.Name != t.Name() {
		t.Errorf("peer %+v, want %v as a static outbound one", of, a.ID())
	}
	if of.Enode != a.LocalURL() {
		t.Errorf("the peer's URL is %s, want %s", of.Enode, a.LocalURL())
	}
	if len(of.Caps) != 1 || of.Caps[0] != "greet/1" {
		t.Errorf("capabilities %v, want greet/1", of.Caps)
	}
	if back := a.Peers()[0]; back.Enode != b.LocalURL() {
		t.Errorf("the inbound peer's URL is %s, want %s, which its Hello says", back.Enode, b.LocalURL())
	}

	nodetest.Stop(t, a)
	dropped := atB.Next(node.PeerDropped)
	if c := dropped.Cause; c.Side != actors.Remote || c.Reason != wire.DiscQuitting {
		t.Errorf("dropped: %v, want remote: %v", c, wire.DiscQuitting)
	}
	if b.PeerCount() != 0 {
		t.Errorf("%d peers left, want none", b.PeerCount())
	}
}

func TestLimitAndTrust(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.MaxPeers = 1 })
	first, second, trusted := fixture.Key(t), fixture.Key(t), fixture.Key(t)
	if _, err := nodetest.DialClient(t, n, first, greet); err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "the first peer", func() bool { return n.PeerCount() == 1 })
	w := nodetest.Watch(t, n)
	_, err := nodetest.DialClient(t, n, second, greet)
	refusedWith(t, err, wire.DiscTooManyPeers)
	if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrTooManyPeers) || e.Peer.ID != fixture.ID(second) {
		t.Errorf("event with %v of %v, want %v of %v", e.Err, e.Peer.ID, node.ErrTooManyPeers, fixture.ID(second))
	}
	n.AddTrusted(enode.NewV4(&trusted.PublicKey, nil, 0, 0))
	if _, err := nodetest.DialClient(t, n, trusted, greet); err != nil {
		t.Errorf("trusted: %v", err)
	}
	actortest.Eventually(t, "the trusted peer", func() bool { return n.PeerCount() == 2 })
	n.RemoveTrusted(fixture.ID(trusted))
	if n.PeerCount() != 2 {
		t.Error("RemoveTrusted ended the link of a peer")
	}
}

func TestNoPeersAtAll(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.MaxPeers = -1 })
	_, err := nodetest.DialClient(t, n, fixture.Key(t), greet)
	refusedWith(t, err, wire.DiscTooManyPeers)
}

func TestManyPeersFromLoopback(t *testing.T) {
	const peers, atOnce = 200, 16 // far more than DefaultMaxPeers and DefaultMaxPending
	n := startNode(t, nil)
	todo := make(chan struct{}, peers)
	for range peers {
		todo <- struct{}{}
	}
	close(todo)
	failed := make(chan error, peers)
	for range atOnce {
		go func() {
			for range todo {
				_, err := nodetest.DialClient(t, n, fixture.Key(t), greet)
				failed <- err
			}
		}()
	}
	for range peers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	actortest.Eventually(t, "all clients are peers", func() bool { return n.PeerCount() == peers })
}

func TestEstablishedLinkIsNotReplaced(t *testing.T) {
	n := startNode(t, nil)
	key := fixture.Key(t)
	first, err := nodetest.DialClient(t, n, key, greet)
	if err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "peer", func() bool { return n.PeerCount() == 1 })
	_, err = nodetest.DialClient(t, n, key, greet)
	refusedWith(t, err, wire.DiscAlreadyConnected)
	w := nodetest.Watch(t, n)
	first.Conn.Close()
	w.Next(node.PeerDropped)
	if _, err := nodetest.DialClient(t, n, key, greet); err != nil {
		t.Errorf("after the end of the first link: %v", err)
	}
}

func TestUselessPeer(t *testing.T) {
	n := startNode(t, nil)
	w := nodetest.Watch(t, n)
	c, err := nodetest.DialClient(t, n, fixture.Key(t), wire.Cap{Name: "greet", Version: 2}, wire.Cap{Name: "eth", Version: 68})
	if err != nil {
		t.Fatal(err)
	}
	if reason := c.AwaitDisconnect(t); reason != wire.DiscUselessPeer {
		t.Errorf("Disconnect %v, want %v", reason, wire.DiscUselessPeer)
	}
	if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrUselessPeer) || !strings.Contains(e.Err.Error(), "eth/68") {
		t.Errorf("event with %v, want %v and the remote's capabilities", e.Err, node.ErrUselessPeer)
	}
	if n.PeerCount() != 0 {
		t.Error("a useless peer is in the list of peers")
	}
}

func TestSelf(t *testing.T) {
	key := fixture.Key(t)
	n := startNode(t, func(c *node.Config) { c.Key = key })
	if err := n.AddPeer(n.Self()); !errors.Is(err, node.ErrSelf) {
		t.Errorf("AddPeer: %v, want %v", err, node.ErrSelf)
	}
	_, err := nodetest.DialClient(t, n, key, greet)
	refusedWith(t, err, wire.DiscSelf)
}

func TestNetRestrict(t *testing.T) {
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	n := startNode(t, func(c *node.Config) { c.NetRestrict = elsewhere })
	w := nodetest.Watch(t, n)
	conn := nodetest.DialTCP(t, n)
	if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrNotAllowed) || !e.Peer.Inbound {
		t.Errorf("inbound: %v, want %v", e.Err, node.ErrNotAllowed)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open and has data")
	}
	other := startNode(t, nil)
	if err := n.AddPeer(other.Self()); err != nil {
		t.Fatal(err)
	}
	if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrNotAllowed) || e.Peer.Inbound {
		t.Errorf("dial: %v, want %v", e.Err, node.ErrNotAllowed)
	}
}

// TestMappedAddressesAreIPv4: a network or a listening address that is written with an IPv4-mapped
// IPv6 address is the IPv4 one.
func TestMappedAddressesAreIPv4(t *testing.T) {
	n := startNode(t, func(c *node.Config) {
		c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}
		c.Listen = []netip.AddrPort{netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")}
	})
	if at, ok := n.Self().TCPEndpoint(); !ok || at.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the node announces %v, %v", at, ok)
	}
	other := startNode(t, nil)
	if err := errors.Join(n.AddPeer(other.Self()), other.AddPeer(n.Self())); err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "a link", func() bool { return n.PeerCount() == 1 && other.PeerCount() == 1 })
	for _, wrong := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/90")} {
		if _, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}, NetRestrict: []netip.Prefix{wrong}}); err == nil || !strings.Contains(err.Error(), "NetRestrict") {
			t.Errorf("NetRestrict %v: %v", wrong, err)
		}
	}
}

// TestSimultaneousDials: two nodes that dial each other at the same time have one link in the end,
// the same one on both sides.
func TestSimultaneousDials(t *testing.T) {
	system := actortest.NewSystem()
	for range 20 {
		a := startNode(t, func(c *node.Config) { c.System = system })
		b := startNode(t, func(c *node.Config) { c.System = system })
		if err := errors.Join(a.AddPeer(b.Self()), b.AddPeer(a.Self())); err != nil {
			t.Fatal(err)
		}
		actortest.Eventually(t, "one link", func() bool { return a.PeerCount() == 1 && b.PeerCount() == 1 })
		fromA, fromB := a.Peers()[0], b.Peers()[0]
		if fromA.Inbound == fromB.Inbound || fromA.LocalAddr != fromB.RemoteAddr {
			t.Errorf("the nodes have different links: %+v and %+v", fromA, fromB)
		}
		nodetest.Stop(t, a)
		nodetest.Stop(t, b)
	}
}

func TestRemovePeer(t *testing.T) {
	a := startNode(t, nil)
	b := startNode(t, func(c *node.Config) { c.StaticNodes = []*enode.Node{a.Self()} })
	actortest.Eventually(t, "peer", func() bool { return b.PeerCount() == 1 && a.PeerCount() == 1 })
	atA := nodetest.Watch(t, a)
	if err := b.RemovePeer(a.ID()); err != nil {
		t.Fatal(err)
	}
	if c := atA.Next(node.PeerDropped).Cause; c.Side != actors.Remote || c.Reason != wire.DiscRequested {
		t.Errorf("dropped: %v, want remote: %v", c, wire.DiscRequested)
	}
	actortest.Eventually(t, "the link has ended", func() bool { return b.PeerCount() == 0 })
}

func TestStaticNodeIsDialedAgain(t *testing.T) {
	key := fixture.Key(t)
	a := startNode(t, func(c *node.Config) { c.Key = key })
	b := startNode(t, func(c *node.Config) { c.Listen = nil; c.StaticNodes = []*enode.Node{a.Self()} })
	actortest.Eventually(t, "peer", func() bool { return b.PeerCount() == 1 })
	at, _ := a.Self().TCPEndpoint()
	w := nodetest.Watch(t, b)
	nodetest.Stop(t, a)
	w.Next(node.PeerDropped)
	startNode(t, func(c *node.Config) { c.Key = key; c.Listen = []netip.AddrPort{at} })
	w.Next(node.PeerAdded)
}

func TestNameIsResolvedEachTime(t *testing.T) {
	key := fixture.Key(t)
	target := enode.NewV4(&key.PublicKey, nil, 30303, 30303).WithHostname("node.example")
	a := startNode(t, func(c *node.Config) { c.Key = key })
	at, _ := a.Self().TCPEndpoint()
	dialed := make(chan netip.AddrPort, 16)
	lookups := make(chan []netip.Addr, 2)
	lookups <- []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	lookups <- []netip.Addr{netip.MustParseAddr("192.0.2.2")}
	b := startNode(t, func(c *node.Config) {
		c.StaticNodes = []*enode.Node{target}
		c.LookupHost = func(_ context.Context, host string) ([]netip.Addr, error) {
			if host != "node.example" {
				return nil, errors.New("unknown: " + host)
			}
			return <-lookups, nil
		}
		c.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			dialed <- to
			if to.Addr() != netip.MustParseAddr("192.0.2.2") {
				return nil, errors.New("unreachable")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", at.String())
		}
	})
	actortest.Eventually(t, "a peer at the new address", func() bool { return b.PeerCount() == 1 })
	for _, want := range []string{"192.0.2.1:30303", "[2001:db8::1]:30303", "192.0.2.2:30303"} {
		if got := <-dialed; got.String() != want {
			t.Errorf("dialed %v, want %s", got, want)
		}
	}
}

func TestSubscriptionEnds(t *testing.T) {
	n := startNode(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	mine, theirs := n.Subscribe(ctx), n.Subscribe(context.Background())
	cancel()
	drained(t, mine)
	nodetest.Stop(t, n)
	drained(t, theirs)
	drained(t, n.Subscribe(context.Background()))
}

// drained waits until a channel of events is closed.
func drained(t *testing.T, ch <-chan node.Event) {
	t.Helper()
	timeout := time.After(actortest.Patience)
	for {
		select {
		case _, ok := <-ch:
			if !ok {
				return
			}
		case <-timeout:
			t.Fatal("the channel is still open")
		}
	}
}

func TestStates(t *testing.T) {
	cfg := node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	other := enode.NewV4(&fixture.Key(t).PublicKey, nil, 0, 0)
	if err := n.AddPeer(other); !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("AddPeer before Start: %v", err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); !errors.Is(err, node.ErrStarted) {
		t.Errorf("second Start: %v", err)
	}
	nodetest.Stop(t, n)
	nodetest.Stop(t, n)
	if err := n.Start(context.Background()); !errors.Is(err, node.ErrStopped) {
		t.Errorf("Start after Stop: %v", err)
	}
	if err := n.RemovePeer(other.ID()); !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("RemovePeer after Stop: %v", err)
	}
	never, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Stop(t, never)
	<-never.Done()
}

func TestConfigErrors(t *testing.T) {
	good := func() node.Config {
		return node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}}
	}
	tests := map[string]func(*node.Config){
		"no key":                    func(c *node.Config) { c.Key = nil },
		"no protocol":               func(c *node.Config) { c.Specs = nil },
		"protocol twice":            func(c *node.Config) { c.Specs = append(c.Specs, greetSpec("greet")) },
		"nil static node":           func(c *node.Config) { c.StaticNodes = []*enode.Node{nil} },
		"name too long to send":     func(c *node.Config) { c.Name = strings.Repeat("x", 2048) },
		"unreadable data directory": func(c *node.Config) { c.Key, c.DataDir = nil, "/dev/null/x" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			spoil(&cfg)
			if _, err := node.New(cfg); err == nil {
				t.Error("New accepted the configuration")
			}
		})
	}
	if _, err := node.New(good()); err != nil {
		t.Errorf("valid configuration: %v", err)
	}
}

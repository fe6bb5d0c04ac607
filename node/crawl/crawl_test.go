package crawl_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/crawl"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
	"github.com/troupe-p2p/troupe/wire"
)

// ethEntry is the eth entry of a record with the fork id of mainnet's Prague.
type ethEntry struct {
	ForkID struct {
		Hash [4]byte
		Next uint64
	}
}

func (ethEntry) ENRKey() string { return "eth" }

func prague() (e ethEntry) {
	e.ForkID.Hash = [4]byte{0xc3, 0x76, 0xcf, 0x8b}
	return e
}

// startGeth runs a go-ethereum node with both versions of discovery.
func startGeth(t *testing.T) *enode.Node {
	t.Helper()
	run := func(_ *p2p.Peer, rw p2p.MsgReadWriter) error { return fixture.Drain(rw) }
	s, _ := fixture.Geth(t, func(c *p2p.Config) {
		c.Name, c.NoDial = "Geth/v1.17.10-stable/test", true
		c.NoDiscovery, c.DiscoveryV4, c.DiscoveryV5 = false, true, true
		c.Protocols = []p2p.Protocol{{Name: "eth", Version: 69, Length: 17, Run: run, Attributes: []enr.Entry{prague()}}}
	})
	return s.Self()
}

// announce runs discovery v4 for a node that accepts connections at an address, so other
// nodes find it.
func announce(t *testing.T, key *ecdsa.PrivateKey, tcp netip.AddrPort, boot *enode.Node) enode.ID {
	t.Helper()
	db, err := enode.OpenDB("")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(nodetest.Loopback))
	if err != nil {
		t.Fatal(err)
	}
	local := enode.NewLocalNode(db, key)
	local.SetStaticIP(tcp.Addr().AsSlice())
	local.SetFallbackUDP(conn.LocalAddr().(*net.UDPAddr).Port)
	local.Set(enr.TCP(tcp.Port()))
	v4, err := discover.ListenV4(conn, local, discover.Config{PrivateKey: key, Bootnodes: []*enode.Node{boot}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v4.Close(); db.Close() })
	return local.ID()
}

// startNode runs one of our nodes.
func startNode(t *testing.T, system *actor.ActorSystem, boot *enode.Node) enode.ID {
	t.Helper()
	key := fixture.Key(t)
	n := nodetest.Start(t, func(c *node.Config) {
		c.Key, c.Name, c.System, c.Specs = key, "", system, []protocols.Spec{chat.NewRoom().Spec()}
	})
	at, _ := n.Self().TCPEndpoint()
	return announce(t, key, at, boot)
}

// startHostile announces a listener that calls answer for each connection, and returns the
// node's ID.
func startHostile(t *testing.T, boot *enode.Node, answer func(net.Conn, *ecdsa.PrivateKey)) enode.ID {
	t.Helper()
	ln, err := net.Listen("tcp", nodetest.Loopback.String())
	if err != nil {
		t.Fatal(err)
	}
	key := fixture.Key(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				answer(conn, key)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return announce(t, key, netip.MustParseAddrPort(ln.Addr().String()), boot)
}

// untilClosed reads until the other side closes the connection.
func untilClosed(conn net.Conn) {
	for buf := make([]byte, 1024); ; {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

func silent(conn net.Conn, _ *ecdsa.PrivateKey) { untilClosed(conn) }

func garbage(conn net.Conn, _ *ecdsa.PrivateKey) {
	if _, err := conn.Write([]byte(strings.Repeat("\xff\x00garbage", 100))); err == nil {
		untilClosed(conn)
	}
}

// evilHello does a valid handshake, and sends a name that would control a terminal.
func evilHello(conn net.Conn, key *ecdsa.PrivateKey) {
	r, err := wire.AcceptAuth(conn, key, wire.Options{})
	if err != nil {
		return
	}
	hello := &wire.Hello{
		Version: wire.BaseVersion, Name: "Evil\x1b[2J\u202e/v6.6.6'; DROP TABLE nodes; --", ID: fixture.HelloID(key),
		Caps: []wire.Cap{{Name: "evil\x07", Version: 1<<64 - 1}},
	}
	// Welcome returns after it has read the other Hello; then the connection is closed.
	_, _ = r.Welcome(conn, hello)
}

// crawlUntil crawls until all of the nodes were visited. Visits to hurried have a short
// timeout.
func crawlUntil(t *testing.T, c crawl.Config, hurried enode.ID, all ...enode.ID) crawl.Summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience)
	defer cancel()
	var mu sync.Mutex
	missing := map[enode.ID]bool{}
	for _, id := range all {
		missing[id] = true
	}
	c.Visit = func(ctx context.Context, n *enode.Node) (node.PingResult, error) {
		if n.ID() == hurried {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			ctx = short
		}
		r, err := node.Ping(ctx, nil, n)
		mu.Lock()
		defer mu.Unlock()
		delete(missing, n.ID())
		return r, errors.Join(err, ctx.Err())
	}
	c.Report = func(crawl.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if len(missing) == 0 {
			cancel()
		}
	}
	c.ReportEvery = 50 * time.Millisecond
	sum, err := crawl.Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 {
		t.Fatalf("not visited: %v; %+v", missing, sum)
	}
	return sum
}

// TestCrawl: a crawl that starts with a go-ethereum node finds the others through it, and
// handles nodes that are silent or send garbage. A second crawl with the same file knows
// all nodes, and visits those again whose last visit is old.
func TestCrawl(t *testing.T) {
	system := actortest.NewSystem()
	defer system.Shutdown()
	geth := startGeth(t)
	ids := []enode.ID{geth.ID()}
	for range 3 {
		ids = append(ids, startNode(t, system, geth))
	}
	mute := startHostile(t, geth, silent)
	ids = append(ids, mute, startHostile(t, geth, garbage), startHostile(t, geth, evilHello))

	config := crawl.Config{
		DB: filepath.Join(t.TempDir(), "crawl.db"), V4: true, V5: true, Listen: nodetest.Loopback,
		Network: discovery.Network{Bootnodes: []*enode.Node{geth}, BootnodesV5: []*enode.Node{geth}},
	}
	sum := crawlUntil(t, config, mute, ids...)
	if sum.Known != len(ids) || sum.Visited != len(ids) || sum.Alive != 5 {
		t.Errorf("got %+v, want %d visited and 5 alive", sum, len(ids))
	}
	for _, want := range []struct {
		table []crawl.Count
		row   crawl.Count
	}{
		{sum.Clients, crawl.Count{Name: "Troupe", Nodes: 3}},
		{sum.Clients, crawl.Count{Name: "Geth", Nodes: 1}},
		{sum.Clients, crawl.Count{Name: "Evil[2J", Nodes: 1}},
		{sum.Versions, crawl.Count{Name: "Geth v1.17.10-stable", Nodes: 1}},
		{sum.Capabilities, crawl.Count{Name: "chat/1", Nodes: 3}},
		{sum.Capabilities, crawl.Count{Name: "eth/69", Nodes: 1}},
		{sum.ForkIDs, crawl.Count{Name: "0xc376cf8b next 0 (mainnet Prague)", Nodes: 1}},
		{sum.Outcomes, crawl.Count{Name: "breach", Nodes: 1}},
		{sum.Outcomes, crawl.Count{Name: "timeout", Nodes: 1}}, // the silent node
		{sum.Outcomes, crawl.Count{Name: "closed", Nodes: 1}},  // the node with the evil Hello
	} {
		if !contains(want.table, want.row) {
			t.Errorf("%v is missing in %v", want.row, want.table)
		}
	}

	config.Network = discovery.Network{}
	config.Again = time.Nanosecond
	again := crawlUntil(t, config, mute, ids...)
	if again.Known != len(ids) || again.Alive != 5 {
		t.Errorf("second crawl: %+v", again)
	}
	if out, err := exec.Command("sqlite3", config.DB, "PRAGMA integrity_check; SELECT count(*) FROM nodes WHERE tries >= 2").Output(); err == nil {
		if got := strings.Fields(string(out)); len(got) != 2 || got[0] != "ok" || got[1] != "7" {
			t.Errorf("sqlite3 printed %q", out)
		}
	} else if !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
}

func contains(table []crawl.Count, row crawl.Count) bool {
	for _, c := range table {
		if c == row {
			return true
		}
	}
	return false
}

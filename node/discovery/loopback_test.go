package discovery

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// listenLoopback opens a UDP socket of the kernel.
func listenLoopback(t *testing.T, network, ip string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestLoopback uses real sockets; the node's socket serves IPv4 and IPv6. The node finds a v4 and a
// v5 node of go-ethereum, they find it, and after a crash it answers at the same port.
func TestLoopback(t *testing.T) {
	var (
		key4, key5   = fixture.Key(t), fixture.Key(t)
		conn4, conn5 = listenLoopback(t, "udp4", "127.0.0.1"), listenLoopback(t, "udp4", "127.0.0.1")
		geth4        = newLocal(t, key4, conn4.LocalAddr().String())
		geth5        = newLocal(t, key5, conn5.LocalAddr().String())
	)
	defer geth4.Database().Close()
	defer geth5.Database().Close()
	v4, err := discover.ListenV4(conn4, geth4, discover.Config{PrivateKey: key4})
	if err != nil {
		t.Fatal(err)
	}
	defer v4.Close()
	v5, err := discover.ListenV5(conn5, geth5, discover.Config{PrivateKey: key5})
	if err != nil {
		t.Fatal(err)
	}
	defer v5.Close()

	conn := listenLoopback(t, "udp", "")
	key := fixture.Key(t)
	local := newLocal(t, key, (&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: conn.LocalAddr().(*net.UDPAddr).Port}).String())
	defer local.Database().Close()
	d, err := New(Config{
		Key: key, Local: local, Conns: []discover.UDPConn{conn}, V4: true, V5: true,
		Bootnodes: []*enode.Node{geth4.Node()}, BootnodesV5: []*enode.Node{geth5.Node()},
	})
	if err != nil {
		t.Fatal(err)
	}
	system := actortest.NewSystem()
	defer system.Shutdown()
	restarted := make(chan struct{}, 1)
	s := &stage{t: t, root: system.Root, stopped: make(chan struct{}), log: supervise.NewJournal(nil, func(e supervise.Step) {
		if e.Event == supervise.Restarted {
			restarted <- struct{}{}
		}
	})}
	s.spawn(d)
	defer system.Root.Stop(s.tops[0])
	got := make(chan *Candidate, 2)
	s.asker = system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if c, ok := ctx.Message().(*Candidate); ok {
			got <- c
		}
	}))
	s.ask(2)
	for range 2 {
		select {
		case c := <-got:
			if want := map[string]enode.ID{SourceV4: geth4.ID(), SourceV5: geth5.ID()}[c.Source]; c.Node.ID() != want {
				t.Errorf("candidate %v from %s, want %v", c.Node, c.Source, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no candidate in 30 s; status %+v", s.status())
		}
	}
	system.Root.Send(s.pid, &supervise.Inject{})
	<-restarted
	// Each try takes half a second, so 120 tries take at least a minute.
	answered := func(ping func() error) bool {
		return slices.ContainsFunc(make([]int, 120), func(int) bool { return ping() == nil })
	}
	if !answered(func() error { _, err := v4.Ping(local.Node()); return err }) {
		t.Error("after a crash the v4 node gets no answer")
	}
	if !answered(func() error { _, err := v5.Ping(local.Node()); return err }) {
		t.Error("after a crash the v5 node gets no answer")
	}
	system.Root.Send(s.pid, &Leave{})
	<-s.stopped
	if _, err := conn.Write(nil); err == nil {
		t.Error("the socket is still open")
	}
}

// TestDatabaseOutlives: a node that starts without bootnodes finds the nodes that the database
// contains from its last run.
func TestDatabaseOutlives(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4("10.0.0.4:30303")
		c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
	}, func(s *stage) {
		time.Sleep(10 * time.Minute) // the database keeps a node once it has answered for a while
		s.root.Send(s.pid, &Leave{})
		<-s.stopped

		s.stopped = make(chan struct{})
		d, err := New(Config{
			Key: s.key, Local: s.local, V4: true, Conns: []discover.UDPConn{s.net.listen(stageAddr)},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.spawn(d)
		s.ask(1)
		s.candidates(1)
	})
}

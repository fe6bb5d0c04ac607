package node_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

func TestPing(t *testing.T) {
	n := startNode(t, nil)
	r, err := node.Ping(context.Background(), nil, n.Self())
	if err != nil {
		t.Fatal(err)
	}
	if r.Hello.Name != t.Name() || len(r.Hello.Caps) != 1 || r.Hello.Caps[0] != greet {
		t.Errorf("Hello %+v", r.Hello)
	}
	if r.RTT <= 0 || r.Setup <= 0 || r.Connect <= 0 {
		t.Errorf("times: %+v", r)
	}
	actortest.Eventually(t, "the node has no peer", func() bool { return n.PeerCount() == 0 })
}

func TestPingRefused(t *testing.T) {
	n := startNode(t, func(c *node.Config) { c.MaxPeers = -1 })
	_, err := node.Ping(context.Background(), nil, n.Self())
	refusedWith(t, err, wire.DiscTooManyPeers)
}

func TestPingFails(t *testing.T) {
	gone := startNode(t, nil)
	nodetest.Stop(t, gone)
	if _, err := node.Ping(context.Background(), nil, gone.Self()); err == nil {
		t.Error("Ping to a stopped node succeeded")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := enode.NewV4(&fixture.Key(t).PublicKey, []byte{127, 0, 0, 1}, ln.Addr().(*net.TCPAddr).Port, 0)
	ctx, cancel := context.WithCancel(context.Background())
	var conn net.Conn
	heard := make(chan error, 1)
	go func() {
		var err error
		if conn, err = ln.Accept(); err == nil {
			_, _, err = wire.ReadPacket(conn) // the auth, which has no answer
		}
		heard <- err
		cancel()
	}()
	r, err := node.Ping(ctx, nil, silent)
	ln.Close()
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !errors.Is(err, net.ErrClosed) || r.Connect == 0 || r.Hello != nil {
		t.Errorf("%+v, %v: want a connection and no Hello", r, err)
	}
}

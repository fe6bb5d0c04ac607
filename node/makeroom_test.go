package node_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

// settler connects to the node from an address and stays until the node ends the link.
func settler(t *testing.T, world *nodetest.Network, n *node.Node, from netip.Addr) (enode.ID, error) {
	t.Helper()
	key := fixture.Key(t)
	conn, err := world.DialFrom(from)(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	remote, err := greetOver(conn, key, n)
	if err != nil {
		conn.Close()
		return fixture.ID(key), err
	}
	go func() {
		defer conn.Close()
		remote.Idle()
	}()
	return fixture.ID(key), nil
}

// TestMakingRoom: a full node evicts no peer if no node was refused for lack of room, and
// otherwise one at a time, never a static or trusted one.
func TestMakingRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		staticKey, trustedKey := fixture.Key(t), fixture.Key(t)
		memNode(t, world, friend, func(c *node.Config) { c.Key = staticKey })
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPeers = 4
			c.StaticNodes = []*enode.Node{enode.NewV4(&staticKey.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			c.TrustedNodes = []*enode.Node{enode.NewV4(&trustedKey.PublicKey, nil, 0, 0)}
		})
		actortest.Eventually(t, "the static peer", func() bool { return n.PeerCount() == 1 })
		trusted, err := greetOver(open(t, world, stranger, home), trustedKey, n)
		if err != nil {
			t.Fatal(err)
		}
		go trusted.Idle()
		for i := range 2 {
			if _, err := settler(t, world, n, scattered(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w := nodetest.Watch(t, n)
		time.Sleep(2 * time.Hour)
		if n.PeerCount() != 4 {
			t.Errorf("%d peers while no other node connected, want 4", n.PeerCount())
		}
		for i := range 2 {
			_, err := settler(t, world, n, scattered(10+i))
			refusedWith(t, err, wire.DiscTooManyPeers)
			time.Sleep(7 * time.Minute)
			e := w.Next(node.PeerDropped)
			if !errors.Is(e.Cause, node.ErrMadeRoom) || e.Cause.Reason != wire.DiscTooManyPeers || e.Peer.Static || e.Peer.Trusted {
				t.Errorf("%+v dropped with %v, want a dynamic peer and %v", e.Peer, e.Cause, node.ErrMadeRoom)
			}
			if _, err := settler(t, world, n, scattered(20+i)); err != nil {
				t.Errorf("connect after a place is free: %v", err)
			}
			time.Sleep(20 * time.Minute)
		}
		if n.PeerCount() != 4 {
			t.Errorf("%d peers in the end, want 4", n.PeerCount())
		}
		nodetest.Stop(t, n)
	})
}

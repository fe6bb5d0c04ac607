package node_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/wire"
)

// settler comes in and stays; it is told why it has to go by the node's events.
func settler(t *testing.T, world *nodetest.Network, n *node.Node, from netip.Addr) (enode.ID, error) {
	t.Helper()
	key := newKey(t)
	conn, err := world.DialFrom(from)(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	session, err := greetOver(conn, key, n)
	if err != nil {
		conn.Close()
		return idOf(key), err
	}
	go func(conn net.Conn, session *wire.Session) {
		defer conn.Close()
		stay(conn, session)
	}(conn, session)
	return idOf(key), nil
}

// TestMakingRoom: a full node lets nobody go while nobody comes, and then one at a time,
// never one that is static or trusted.
func TestMakingRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		staticKey, trustedKey := newKey(t), newKey(t)
		memNode(t, world, friend, func(c *node.Config) { c.Key = staticKey })
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPeers = 4
			c.StaticNodes = []*enode.Node{enode.NewV4(&staticKey.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			c.TrustedNodes = []*enode.Node{enode.NewV4(&trustedKey.PublicKey, nil, 0, 0)}
		})
		eventually(t, "static peer", func() bool { return n.PeerCount() == 1 })
		conn := open(t, world, stranger, home)
		session, err := greetOver(conn, trustedKey, n)
		if err != nil {
			t.Fatal(err)
		}
		go stay(conn, session)
		for i := range 2 {
			if _, err := settler(t, world, n, scattered(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w := watch(t, n)
		time.Sleep(2 * time.Hour)
		if n.PeerCount() != 4 {
			t.Errorf("%d of 4 peers while nobody else came", n.PeerCount())
		}
		for i := range 2 {
			_, err := settler(t, world, n, scattered(10+i))
			refusedWith(t, err, wire.DiscTooManyPeers)
			time.Sleep(7 * time.Minute)
			e := w.next(node.PeerDropped)
			if !errors.Is(e.Cause, node.ErrMadeRoom) || e.Cause.Reason != wire.DiscTooManyPeers || e.Peer.Static || e.Peer.Trusted {
				t.Errorf("%+v dropped for %v, want a dynamic one to make room", e.Peer, e.Cause)
			}
			if _, err := settler(t, world, n, scattered(20+i)); err != nil {
				t.Errorf("who came then: %v", err)
			}
			time.Sleep(20 * time.Minute)
		}
		if n.PeerCount() != 4 {
			t.Errorf("%d of 4 peers in the end", n.PeerCount())
		}
		stopNode(t, n)
	})
}

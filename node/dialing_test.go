package node_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

// TestDialThatCrossesAnother: the remote accepts the node's dial, does not answer on it, and dials
// the node.
func TestDialThatCrossesAnother(t *testing.T) {
	low, high := fixture.OrderedKeys(t)
	t.Run("ours is the lower ID", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			world := nodetest.NewNetwork()
			remote := playRemote(t, world)
			n := memNode(t, world, home, func(c *node.Config) {
				c.Key = low
				c.StaticNodes = []*enode.Node{enode.NewV4(&high.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			})
			ours := <-remote
			awaitAuth(t, ours)
			_, err := greetOver(open(t, world, friend.Addr(), home), high, n)
			refusedWith(t, err, wire.DiscAlreadyConnected)
			if closed(ours) {
				t.Error("our own dial was cancelled")
			}
		})
	})
	t.Run("ours is the higher ID", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			world := nodetest.NewNetwork()
			remote := playRemote(t, world)
			n := memNode(t, world, home, func(c *node.Config) {
				c.Key = high
				c.StaticNodes = []*enode.Node{enode.NewV4(&low.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			})
			w := nodetest.Watch(t, n)
			ours := <-remote
			awaitAuth(t, ours)
			if _, err := greetOver(open(t, world, friend.Addr(), home), low, n); err != nil {
				t.Fatal(err)
			}
			events := map[node.EventKind]node.Event{} // of two actors, in either order
			w.Until("the end of our dial, and the peer", func(e node.Event) bool {
				events[e.Kind] = e
				return events[node.SetupFailed].Kind == node.SetupFailed && events[node.PeerAdded].Kind == node.PeerAdded
			})
			if e := events[node.SetupFailed]; !errors.Is(e.Err, node.ErrTheirDialFirst) || e.Peer.Inbound {
				t.Errorf("our dial ended with %v, want %v", e.Err, node.ErrTheirDialFirst)
			}
			if !closed(ours) {
				t.Error("our own dial continues")
			}
			if p := events[node.PeerAdded].Peer; p.ID != fixture.ID(low) || !p.Inbound {
				t.Errorf("peer %+v, want the inbound one", p)
			}
		})
	})
}

// playRemote listens at the friend's address, and sends the connections to the channel.
func playRemote(t *testing.T, world *nodetest.Network) <-chan net.Conn {
	t.Helper()
	ln, err := world.Listen(t.Context(), friend)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	conns := make(chan net.Conn)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			conns <- conn
		}
	}()
	return conns
}

// awaitAuth reads an auth and does not answer.
func awaitAuth(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, _, err := wire.ReadPacket(conn); err != nil {
		t.Fatal(err)
	}
}

// closed says whether the other side has closed a connection. It is for tests in a bubble.
func closed(conn net.Conn) bool {
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return true
	}
	_, err := conn.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestSlowAddressLeavesTimeForTheNext: the first of two addresses does not answer.
func TestSlowAddressLeavesTimeForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		remote := memNode(t, world, friend, nil)
		target := enode.NewV4(remote.Self().Pubkey(), nil, 30303, 0).WithHostname("node.example")
		n := memNode(t, world, home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{target}
			c.LookupHost = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("192.0.2.1"), friend.Addr()}, nil
			}
			inner := c.Dial
			c.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
				if to.Addr() == friend.Addr() {
					return inner(ctx, to)
				}
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
		})
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if n.PeerCount() != 1 {
			t.Error("the second address was not dialed within 8 s")
		}
	})
}

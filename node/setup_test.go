package node_test

import (
	"context"
	"crypto/ecdsa"
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

// These tests run in a bubble with a clock of its own, on a network in memory.

var (
	home     = netip.MustParseAddrPort("203.0.113.1:30303") // of the node under test
	friend   = netip.MustParseAddrPort("203.0.113.2:30303") // of a known node
	stranger = netip.MustParseAddr("10.0.0.9")              // private, so that it is not throttled
)

// memNode runs a node on a network in memory until the test ends.
func memNode(t *testing.T, world *nodetest.Network, on netip.AddrPort, edit func(*node.Config)) *node.Node {
	t.Helper()
	// protoactor throttles its log of dead letters with a goroutine that runs a second longer
	// than the node. The bubble must be empty at its end.
	t.Cleanup(func() { time.Sleep(2 * time.Second) })
	return startNode(t, func(c *node.Config) {
		c.Listen = []netip.AddrPort{on}
		c.ListenFunc = world.Listen
		c.Dial = world.DialFrom(on.Addr())
		if edit != nil {
			edit(c)
		}
	})
}

// open makes a connection from an address until the test ends.
func open(t *testing.T, world *nodetest.Network, from netip.Addr, to netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := world.DialFrom(from)(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// greetOver makes a session over a connection, as a remote that offers greet/1.
func greetOver(conn net.Conn, key *ecdsa.PrivateKey, to *node.Node) (*nodetest.Client, error) {
	return nodetest.NewClient(conn, to, key, greet)
}

// TestSilentStrangers: silent connections take all slots that strangers may have. A known node
// still connects, and each silent connection ends with a named cause.
func TestSilentStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const silent, pending = 100, 8
		world := nodetest.NewNetwork()
		friendKey := fixture.Key(t)
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPending = pending
			c.TrustedNodes = []*enode.Node{enode.NewV4(&friendKey.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
		})
		w := nodetest.Watch(t, n)
		begin := time.Now()
		for range silent {
			open(t, world, stranger, home)
		}
		synctest.Wait()
		if _, err := greetOver(open(t, world, friend.Addr(), home), friendKey, n); err != nil {
			t.Errorf("known node: %v", err)
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("the known node waited %v", waited)
		}
		timedOut, full := 0, 0
		for range silent {
			switch e := w.Next(node.SetupFailed); {
			case errors.Is(e.Err, os.ErrDeadlineExceeded):
				timedOut++
			case errors.Is(e.Err, node.ErrPendingFull):
				full++
			default:
				t.Errorf("a silent connection ended with %v", e.Err)
			}
		}
		if want := pending - pending/4; timedOut != want || full != silent-want {
			t.Errorf("%d connections timed out and %d found no slot, want %d and %d", timedOut, full, want, silent-want)
		}
		if took := time.Since(begin); took > wire.AuthTimeout {
			t.Errorf("all ended after %v, want at most %v", took, wire.AuthTimeout)
		}
		if _, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n); err != nil {
			t.Errorf("stranger after that: %v", err)
		}
	})
}

// TestCrowdOfSilentStrangers: more silent connections than may wait, each from an address of its
// own. The node still accepts, and a known node still connects at once.
func TestCrowdOfSilentStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		friendKey := fixture.Key(t)
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPending = 8
			c.TrustedNodes = []*enode.Node{enode.NewV4(&friendKey.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
		})
		for i := range 2000 {
			open(t, world, scattered(i), home)
		}
		synctest.Wait()
		begin := time.Now()
		if _, err := greetOver(open(t, world, friend.Addr(), home), friendKey, n); err != nil {
			t.Errorf("known node: %v", err)
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("the known node waited %v", waited)
		}
		nodetest.Stop(t, n)
	})
}

func TestPatientStrangerGetsASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, func(c *node.Config) { c.MaxPending = 1 })
		blocking := open(t, world, stranger, home)
		synctest.Wait()
		result := make(chan error)
		go func() {
			_, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n)
			result <- err
		}()
		time.Sleep(2 * time.Second)
		if n.PeerCount() != 0 {
			t.Error("more handshakes at the same time than MaxPending")
		}
		blocking.Close()
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestSlowDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := nodetest.Watch(t, n)
		conn := open(t, world, stranger, home)
		go func() {
			for {
				if _, err := conn.Write([]byte{1}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		begin := time.Now()
		if e := w.Next(node.SetupFailed); !errors.Is(e.Err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v, want a timeout", e.Err)
		}
		if took := time.Since(begin); took != wire.AuthTimeout {
			t.Errorf("after %v, want %v", took, wire.AuthTimeout)
		}
	})
}

func TestThrottledAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := nodetest.Watch(t, n)
		public := netip.MustParseAddr("198.51.100.7")
		if _, err := greetOver(open(t, world, public, home), fixture.Key(t), n); err != nil {
			t.Fatal(err)
		}
		if _, err := greetOver(open(t, world, public, home), fixture.Key(t), n); err == nil {
			t.Error("the second connection was not throttled")
		}
		if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrThrottled) {
			t.Errorf("ended with %v, want %v", e.Err, node.ErrThrottled)
		}
		time.Sleep(30 * time.Second)
		if _, err := greetOver(open(t, world, public, home), fixture.Key(t), n); err != nil {
			t.Errorf("after 30 s: %v", err)
		}
	})
}

func TestRedialTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var dials []time.Time
		unreachable := enode.NewV4(&fixture.Key(t).PublicKey, friend.Addr().AsSlice(), 30303, 0)
		n := memNode(t, world, home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{unreachable}
			inner := c.Dial
			c.Dial = func(ctx context.Context, to netip.AddrPort) (conn net.Conn, err error) {
				dials = append(dials, time.Now()) // there is one dial at a time, so this is no race
				return inner(ctx, to)
			}
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		nodetest.Stop(t, n)
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second}
		for i := 1; i < len(dials); i++ {
			most := time.Minute
			if i <= len(want) {
				most = want[i-1]
			}
			if gap := dials[i].Sub(dials[i-1]); gap > most || gap < most*4/5 {
				t.Errorf("dial %d began after %v, want %v or up to a fifth less", i, gap, most)
			}
		}
		if len(dials) < 15 {
			t.Errorf("%d dials in 10 minutes", len(dials))
		}
	})
}

func TestHangingDialTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		n := memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{enode.NewV4(&fixture.Key(t).PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			c.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
				<-release
				return nil, errors.New("released")
			}
		})
		w := nodetest.Watch(t, n)
		if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrSetupTimeout) {
			t.Errorf("ended with %v, want %v", e.Err, node.ErrSetupTimeout)
		}
		begin := time.Now()
		nodetest.Stop(t, n)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("stop took %v during a dial that hangs", took)
		}
	})
}

func TestRemovedWhileDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := enode.NewV4(&fixture.Key(t).PublicKey, friend.Addr().AsSlice(), 30303, 0)
		n := memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{target}
			c.Dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
		})
		w := nodetest.Watch(t, n)
		synctest.Wait()
		if err := n.RemovePeer(target.ID()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrCancelled) || time.Since(begin) > 0 {
			t.Errorf("ended with %v after %v, want %v at once", e.Err, time.Since(begin), node.ErrCancelled)
		}
	})
}

func TestStopMidHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, func(c *node.Config) { c.MaxPending = 2 })
		silent := open(t, world, stranger, home)
		waiting := open(t, world, stranger, home)
		another := open(t, world, stranger, home)
		synctest.Wait()
		begin := time.Now()
		nodetest.Stop(t, n)
		if took := time.Since(begin); took > 0 {
			t.Errorf("stop took %v", took)
		}
		for i, conn := range []net.Conn{silent, waiting, another} {
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("connection %d is still open", i)
			}
		}
	})
}

// pausingConn holds back the write with the Hello until letGo closes.
type pausingConn struct {
	net.Conn
	writes  int
	reached chan struct{} // closes when that write begins
	letGo   chan struct{}
}

func (c *pausingConn) Write(b []byte) (int, error) {
	if c.writes++; c.writes == 2 { // the auth came first
		close(c.reached)
		<-c.letGo
	}
	return c.Conn.Write(b)
}

// TestStopAmidHellos: the node stops while the Hellos are exchanged. The remote, which is about to
// have a peer, receives a Disconnect.
func TestStopAmidHellos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		conn := &pausingConn{Conn: open(t, world, stranger, home), reached: make(chan struct{}), letGo: make(chan struct{})}
		go func() {
			<-conn.reached
			go nodetest.Stop(t, n)
			synctest.Wait()
			close(conn.letGo)
		}()
		remote, err := greetOver(conn, fixture.Key(t), n)
		if err != nil {
			t.Fatalf("the exchange of Hellos failed: %v", err)
		}
		if reason := remote.AwaitDisconnect(t); reason != wire.DiscQuitting {
			t.Errorf("Disconnect %v, want %v", reason, wire.DiscQuitting)
		}
		<-n.Done()
	})
}

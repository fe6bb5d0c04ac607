package node_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// TestOwnURL: a node that is among its own static, trusted and boot nodes runs as if it were not,
// whatever address it has there. A call that adds it fails.
func TestOwnURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		key := fixture.Key(t)
		own := []*enode.Node{
			enode.NewV4(&key.PublicKey, home.Addr().AsSlice(), 30303, 30303),
			enode.NewV4(&key.PublicKey, net.IP{192, 0, 2, 7}, 30303, 30303),
			enode.NewV4(&key.PublicKey, nil, 30303, 30303).WithHostname("own.example"),
		}
		n := memNode(t, world, home, func(c *node.Config) {
			c.Key, c.MaxPeers, c.StaticNodes, c.TrustedNodes = key, 2, own, own
		})
		for _, url := range own {
			if err := n.AddPeer(url); !errors.Is(err, node.ErrSelf) {
				t.Errorf("AddPeer: %v, want %v", err, node.ErrSelf)
			}
			n.AddTrusted(url)
			client := attach(t, n)
			refused(t, client, "self", "admin_addPeer", url.URLv4())
			refused(t, client, "self", "admin_addTrustedPeer", url.URLv4())
		}
		for range 2 {
			if _, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n); err != nil {
				t.Errorf("a place is kept for the node itself: %v", err)
			}
		}
		time.Sleep(5 * time.Second)
		if s := n.State(); s.Dial.Static != 0 || s.Dial.Dialed != 0 || s.Peers.Peers != 2 {
			t.Errorf("dialer %+v, %d peers; want no static node, and two peers", s.Dial, s.Peers.Peers)
		}
		// The own addresses are not those of known nodes either.
		if err := n.Ban(node.BanIP(home.Addr()), time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		if _, err := greetOver(open(t, world, home.Addr(), home), fixture.Key(t), n); err == nil {
			t.Error("a stranger at the node's own address is exempt from bans")
		}
	})
}

// TestStaticNodesAreChecked: a node that can't be dialed is refused in every way in, unless
// discovery may find it.
func TestStaticNodesAreChecked(t *testing.T) {
	id := fmt.Sprintf("%x", crypto.FromECDSAPub(&fixture.Key(t).PublicKey)[1:])
	for _, tt := range []struct {
		url   string
		found bool // discovery may find it
	}{
		{"enode://" + id, true},
		{"enode://" + id + "@192.0.2.1:0", true},
		{"enode://" + id + "@0.0.0.0:30303", true},
		{"enode://" + id + "@224.0.0.1:30303", true},
		{"enode://" + id + "@:30303", true},
		{"enode://" + id + "@node.example:0", false},
	} {
		for _, discovers := range []bool{false, true} {
			want := discovers && tt.found
			with := func(c *node.Config) {
				c.Discovery = &node.Discovery{V4: discovers}
			}
			static, err := enode.ParseV4(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			cfg := node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}, StaticNodes: []*enode.Node{static}}
			with(&cfg)
			if _, err := node.New(cfg); (err == nil) != want || !want && !errors.Is(err, node.ErrNoAddress) {
				t.Errorf("%s, discovery %v: New: %v", tt.url, discovers, err)
			}
			n := startNode(t, with)
			if err := n.AddPeer(static); (err == nil) != want || !want && !errors.Is(err, node.ErrNoAddress) {
				t.Errorf("%s, discovery %v: AddPeer: %v", tt.url, discovers, err)
			}
			if client := attach(t, n); want {
				call[bool](t, client, "admin_addPeer", tt.url)
			} else {
				refused(t, client, "address", "admin_addPeer", tt.url)
			}
			nodetest.Stop(t, n)
		}
	}
	n := startNode(t, nil)
	if err := n.AddPeer(nil); err == nil {
		t.Error("AddPeer accepted nil")
	}
	n.AddTrusted(nil) // which the log reports
}

// TestStaticNodeAtTwoURLs: one node is in the list of static nodes at two addresses, of which one is
// dead: it refuses connections, or does not answer.
func TestStaticNodeAtTwoURLs(t *testing.T) {
	dead := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		name      string
		deadFirst bool
		hangs     bool
		within    time.Duration
	}{
		{"the last refuses", false, false, 100 * time.Millisecond},
		{"the first refuses", true, false, 100 * time.Millisecond},
		{"the last hangs", false, true, 100 * time.Millisecond},
		{"the first hangs", true, true, 16 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := nodetest.NewNetwork()
				key := fixture.Key(t)
				remote := memNode(t, world, friend, func(c *node.Config) { // does not throttle the node
					c.TrustedNodes = []*enode.Node{enode.NewV4(&key.PublicKey, home.Addr().AsSlice(), 30303, 0)}
				})
				urls := []*enode.Node{remote.Self(), enode.NewV4(remote.Self().Pubkey(), dead.AsSlice(), 30303, 0)}
				if tt.deadFirst {
					urls[0], urls[1] = urls[1], urls[0]
				}
				n := memNode(t, world, home, func(c *node.Config) {
					c.Key, c.StaticNodes = key, urls
					c.Dial = hangingAt(c.Dial, dead, tt.hangs)
				})
				time.Sleep(tt.within)
				synctest.Wait()
				if n.PeerCount() != 1 {
					t.Fatalf("no link after %v", tt.within)
				}
				// After a link the node goes on with the address that answered.
				world.Reset(home.Addr(), friend.Addr())
				time.Sleep(4 * time.Second)
				synctest.Wait()
				if n.PeerCount() != 1 || n.State().Peers.Linked != 2 {
					t.Errorf("no second link after the first one ended: %+v", n.State().Dial)
				}
			})
		})
	}
}

// hangingAt returns a dial function for which the connections to an address hang, or are refused.
func hangingAt(dial func(context.Context, netip.AddrPort) (net.Conn, error), dead netip.Addr, hangs bool) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		if to.Addr() == dead && hangs {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		return dial(ctx, to)
	}
}

// TestNewAddressDuringADialThatHangs: the operator adds the right address of a static node while the
// dial to the old one hangs.
func TestNewAddressDuringADialThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		remote := memNode(t, world, friend, nil)
		old := netip.MustParseAddr("192.0.2.1")
		n := memNode(t, world, home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{enode.NewV4(remote.Self().Pubkey(), old.AsSlice(), 30303, 0)}
			c.Dial = hangingAt(c.Dial, old, true)
		})
		time.Sleep(3 * time.Second)
		if !call[bool](t, attach(t, n), "admin_addPeer", remote.URL()) {
			t.Fatal("not added")
		}
		synctest.Wait()
		if n.PeerCount() != 1 {
			t.Error("the new address is not dialed at once")
		}
		if s := n.State().Dial; s.Linked != 1 || s.UnderWay != 0 || s.Static != 1 {
			t.Errorf("dialer %+v, want one link, no dial under way, and one static node", s)
		}
	})
}

// TestRefusedSession: peers refuses the session of a dial, because its protocol was removed while it
// was set up. That is no link for the dialer, and the pause before the next dial grows.
func TestRefusedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		remote := playRemote(t, world)
		key := fixture.Key(t)
		n := memNode(t, world, home, func(c *node.Config) {
			c.Specs = append(c.Specs, greetSpec("other"))
			c.StaticNodes = []*enode.Node{enode.NewV4(&key.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
		})
		last, gaps := time.Now(), []time.Duration{}
		const dials = 5
		for range dials {
			conn := <-remote
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			r, err := wire.AcceptAuth(conn, key, wire.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.RemoveProtocol("greet"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Welcome(conn, &wire.Hello{Version: wire.BaseVersion, Name: "remote", Caps: []wire.Cap{greet}, ID: wire.PublicID(&key.PublicKey)}); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := n.AddProtocol(greetSpec("greet")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for i, gap := range gaps[1:] {
			if want := time.Second << i; gap > want || gap < want*4/5 {
				t.Errorf("dial %d began after %v, want %v or up to a fifth less", i+1, gap, want)
			}
		}
		if s := n.State().Dial; s.Linked != 0 || s.Failed["ours"] != dials || s.Dialed != dials {
			t.Errorf("dialer %+v, want %d dials, and no link", s, dials)
		}
	})
}

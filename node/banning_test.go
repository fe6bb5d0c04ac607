package node_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

var publicHost = netip.MustParseAddr("198.51.100.7")

// misbehave breaks the protocol: no frame has this MAC.
func misbehave(t *testing.T, c *nodetest.Client) { c.Send(t, make([]byte, 64)) }

func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := nodetest.Watch(t, n)
		key := fixture.Key(t)
		remote, err := greetOver(open(t, world, stranger, home), key, n)
		if err != nil {
			t.Fatal(err)
		}
		w.Next(node.PeerAdded)
		if err := n.Ban(node.BanID(fixture.ID(key)), time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		if reason := remote.AwaitDisconnect(t); reason != wire.DiscUselessPeer {
			t.Errorf("Disconnect %v, want %v", reason, wire.DiscUselessPeer)
		}
		if c := w.Next(node.PeerDropped).Cause; !errors.Is(c, node.ErrBanned) || !strings.Contains(c.Error(), "test") {
			t.Errorf("dropped with %v, want %v and the reason", c, node.ErrBanned)
		}
		_, err = greetOver(open(t, world, stranger, home), key, n)
		refusedWith(t, err, wire.DiscUselessPeer)
		if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrBanned) {
			t.Errorf("refused with %v, want %v", e.Err, node.ErrBanned)
		}
		if list := n.Bans(); len(list) != 1 || list[0].Target != node.BanID(fixture.ID(key)) || list[0].Reason != "test" || list[0].Automatic || list[0].Until.Sub(list[0].Since) != time.Hour {
			t.Errorf("bans %+v", list)
		}
		time.Sleep(time.Hour)
		if list := n.Bans(); len(list) != 0 {
			t.Errorf("bans after the end of the ban: %+v", list)
		}
		if _, err = greetOver(open(t, world, stranger, home), key, n); err != nil {
			t.Errorf("after the end of the ban: %v", err)
		}
	})
}

func TestBannedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := nodetest.Watch(t, n)
		if _, err := greetOver(open(t, world, publicHost, home), fixture.Key(t), n); err != nil {
			t.Fatal(err)
		}
		w.Next(node.PeerAdded)
		target, err := node.ParseBanTarget("198.51.100.0/24")
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Ban(target, time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		w.Next(node.PeerDropped)
		if _, err := greetOver(open(t, world, publicHost, home), fixture.Key(t), n); err == nil {
			t.Error("a banned network was admitted")
		}
		if e := w.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrBanned) || e.Peer.RemoteAddr.Addr() != publicHost {
			t.Errorf("%v refused with %v, want %v", e.Peer.RemoteAddr, e.Err, node.ErrBanned)
		}
		time.Sleep(time.Minute) // past the throttle
		if !n.Unban(target) || n.Unban(target) {
			t.Error("the ban was not lifted, or lifted twice")
		}
		mapped := node.BanTarget{Net: netip.MustParsePrefix("::ffff:198.51.100.0/120")}
		if err := n.Ban(mapped, time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		if all := n.Bans(); len(all) != 1 || all[0].Target != target {
			t.Errorf("%+v, want a ban on %v", all, target)
		}
		if !n.Unban(mapped) {
			t.Error("the ban on the IPv4-mapped network was not lifted")
		}
		if _, err := greetOver(open(t, world, publicHost, home), fixture.Key(t), n); err != nil {
			t.Errorf("after the ban was lifted: %v", err)
		}
	})
}

func TestKnownNodesAreNotBanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		staticKey, trustedKey := fixture.Key(t), fixture.Key(t)
		n := memNode(t, world, home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{enode.NewV4(&staticKey.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			c.TrustedNodes = []*enode.Node{enode.NewV4(&trustedKey.PublicKey, nil, 0, 0)}
		})
		for _, key := range []enode.ID{fixture.ID(staticKey), fixture.ID(trustedKey)} {
			if err := n.Ban(node.BanID(key), time.Hour, "test"); !errors.Is(err, node.ErrProtected) {
				t.Errorf("ban: %v, want %v", err, node.ErrProtected)
			}
		}
		if err := n.Ban(node.BanTarget{Net: netip.MustParsePrefix("0.0.0.0/0")}, time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		if _, err := greetOver(open(t, world, friend.Addr(), home), staticKey, n); err != nil {
			t.Errorf("static node while all addresses are banned: %v", err)
		}
		w := nodetest.Watch(t, n)
		for range 20 {
			remote, err := greetOver(open(t, world, friend.Addr(), home), trustedKey, n)
			if err != nil {
				t.Fatalf("trusted node at the static node's address: %v", err)
			}
			misbehave(t, remote)
			w.Next(node.PeerDropped)
		}
		if list := n.Bans(); len(list) != 1 {
			t.Errorf("bans %+v, want only the operator's", list)
		}
	})
}

// TestMisconductEndsInABan: the third breach within minutes bans the node. Lifting the ban, or a
// ban that does not exist yet, clears its points.
func TestMisconductEndsInABan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := nodetest.Watch(t, n)
		key := fixture.Key(t)
		breaches := func(most int) int {
			for i := range most {
				remote, err := greetOver(open(t, world, stranger, home), key, n)
				if err != nil {
					return i
				}
				misbehave(t, remote)
				w.Next(node.PeerDropped)
				synctest.Wait()
			}
			return most
		}
		if got := breaches(10); got != 3 {
			t.Errorf("banned after %d breaches, want 3", got)
		}
		list := n.Bans()
		if len(list) != 1 || !list[0].Automatic || list[0].Target != node.BanID(fixture.ID(key)) || list[0].Until.Sub(list[0].Since) != time.Hour {
			t.Fatalf("bans %+v, want one on the node, for an hour", list)
		}
		if !n.Unban(list[0].Target) {
			t.Error("the ban was not lifted")
		}
		if got := breaches(2); got != 2 || len(n.Bans()) != 0 {
			t.Errorf("after the ban was lifted: admitted after %d breaches, want 2; bans %+v, want none", got, n.Bans())
		}
		if n.Unban(node.BanID(fixture.ID(key))) {
			t.Error("lifted a ban that does not exist")
		}
		if got := breaches(10); got != 3 {
			t.Errorf("after the points were cleared without a ban: banned after %d breaches, want 3", got)
		}
		if list := n.Bans(); len(list) != 1 || list[0].Until.Sub(list[0].Since) != time.Hour {
			t.Errorf("bans %+v, want one for an hour, because the lifted ban does not count", list)
		}
	})
}

func TestBecomingKnownLiftsABan(t *testing.T) {
	n := startNode(t, nil)
	static, trusted := enode.NewV4(&fixture.Key(t).PublicKey, []byte{127, 0, 0, 1}, 1, 1), enode.NewV4(&fixture.Key(t).PublicKey, nil, 0, 0)
	for _, k := range []*enode.Node{static, trusted} {
		if err := n.Ban(node.BanID(k.ID()), time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.AddPeer(static); err != nil {
		t.Fatal(err)
	}
	if list := n.Bans(); len(list) != 1 || list[0].Target.ID != trusted.ID() {
		t.Errorf("bans after one node became static: %+v", list)
	}
	n.AddTrusted(trusted)
	if list := n.Bans(); len(list) != 0 {
		t.Errorf("bans after the other node became trusted: %+v", list)
	}
}

func TestBansSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		world := nodetest.NewNetwork()
		kept := func(c *node.Config) { c.DataDir = dir }
		n := memNode(t, world, home, kept)
		short, long := node.BanIP(publicHost), node.BanID(enode.ID{7})
		if err := errors.Join(n.Ban(short, time.Minute, "short"), n.Ban(long, time.Hour, "long")); err != nil {
			t.Fatal(err)
		}
		nodetest.Stop(t, n)
		time.Sleep(2 * time.Minute)
		again := memNode(t, world, home, kept)
		list := again.Bans()
		if len(list) != 1 || list[0].Target != long || list[0].Reason != "long" || time.Until(list[0].Until) != 58*time.Minute {
			t.Fatalf("after a restart: %+v, want the long one, with 58 minutes left", list)
		}
		again.Unban(long)
		nodetest.Stop(t, again)
		if last := memNode(t, world, home, kept).Bans(); len(last) != 0 {
			t.Errorf("bans after a ban was lifted and the node restarted: %+v", last)
		}
	})
}

func TestUnreadableBansArePutAside(t *testing.T) {
	for name, text := range map[string]string{
		"half a file": `[{"target":"203.0.113.1"`, "no target": `[{"until":"2030-01-01T00:00:00Z"}]`, "nonsense": `[{"target":"nobody"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "bans.json")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			n := startNode(t, func(c *node.Config) { c.DataDir = dir })
			if len(n.Bans()) != 0 {
				t.Errorf("bans %+v", n.Bans())
			}
			if aside, err := os.ReadFile(file + ".unreadable"); err != nil || string(aside) != text {
				t.Errorf("the unreadable file has %q, %v", aside, err)
			}
		})
	}
}

func TestBanNeedsAnEndAndATarget(t *testing.T) {
	n := startNode(t, nil)
	for _, err := range []error{
		n.Ban(node.BanID(enode.ID{1}), 0, "no end"),
		n.Ban(node.BanTarget{}, time.Hour, "no target"),
		n.Ban(node.BanID(n.Self().ID()), time.Hour, "the node itself"),
		n.Ban(node.BanID(enode.ID{1}), time.Hour, strings.Repeat("x", 1025)),
		n.Ban(node.BanTarget{Net: netip.MustParsePrefix("203.0.113.1/24")}, time.Hour, "half an address"),
	} {
		if err == nil {
			t.Error("Ban succeeded")
		}
	}
	if len(n.Bans()) != 0 {
		t.Errorf("bans %+v", n.Bans())
	}
}

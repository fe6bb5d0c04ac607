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
	"github.com/troupe-p2p/troupe/wire"
)

var publicHost = netip.MustParseAddr("198.51.100.7")

// misbehave comes in and sends what the protocol forbids.
func misbehave(t *testing.T, c *client) {
	t.Helper()
	if _, err := c.Conn.Write(make([]byte, 64)); err != nil { // no frame has this MAC
		t.Fatal(err)
	}
}

func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := watch(t, n)
		key := newKey(t)
		conn := open(t, world, stranger, home)
		session, err := greetOver(conn, key, n)
		if err != nil {
			t.Fatal(err)
		}
		w.next(node.PeerAdded)
		if err := n.Ban(node.BanID(idOf(key)), time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		if reason := (&client{conn, session}).awaitDisconnect(t); reason != wire.DiscUselessPeer {
			t.Errorf("told %v, want %v", reason, wire.DiscUselessPeer)
		}
		if c := w.next(node.PeerDropped).Cause; !errors.Is(c, node.ErrBanned) || !strings.Contains(c.Error(), "test") {
			t.Errorf("dropped for %v, want %v and the reason", c, node.ErrBanned)
		}
		_, err = greetOver(open(t, world, stranger, home), key, n)
		refusedWith(t, err, wire.DiscUselessPeer)
		if e := w.next(node.SetupFailed); !errors.Is(e.Err, node.ErrBanned) {
			t.Errorf("refused for %v, want %v", e.Err, node.ErrBanned)
		}
		if list := n.Bans(); len(list) != 1 || list[0].Target != node.BanID(idOf(key)) || list[0].Reason != "test" || list[0].Automatic || list[0].Until.Sub(list[0].Since) != time.Hour {
			t.Errorf("listed: %+v", list)
		}
		time.Sleep(time.Hour)
		if list := n.Bans(); len(list) != 0 {
			t.Errorf("listed after its end: %+v", list)
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
		w := watch(t, n)
		if _, err := greetOver(open(t, world, publicHost, home), newKey(t), n); err != nil {
			t.Fatal(err)
		}
		w.next(node.PeerAdded)
		target, err := node.ParseBanTarget("198.51.100.0/24")
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Ban(target, time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		w.next(node.PeerDropped)
		if _, err := greetOver(open(t, world, publicHost, home), newKey(t), n); err == nil {
			t.Error("let in from a banned network")
		}
		if e := w.next(node.SetupFailed); !errors.Is(e.Err, node.ErrBanned) || e.Peer.RemoteAddr.Addr() != publicHost {
			t.Errorf("%v refused for %v, want %v", e.Peer.RemoteAddr, e.Err, node.ErrBanned)
		}
		time.Sleep(time.Minute) // past the throttle
		if !n.Unban(target) || n.Unban(target) {
			t.Error("lifted not at all, or twice")
		}
		if _, err := greetOver(open(t, world, publicHost, home), newKey(t), n); err != nil {
			t.Errorf("after lifting: %v", err)
		}
	})
}

func TestKnownNodesAreNotBanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		staticKey, trustedKey := newKey(t), newKey(t)
		n := memNode(t, world, home, func(c *node.Config) {
			c.StaticNodes = []*enode.Node{enode.NewV4(&staticKey.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
			c.TrustedNodes = []*enode.Node{enode.NewV4(&trustedKey.PublicKey, nil, 0, 0)}
		})
		for _, key := range []enode.ID{idOf(staticKey), idOf(trustedKey)} {
			if err := n.Ban(node.BanID(key), time.Hour, "test"); !errors.Is(err, node.ErrProtected) {
				t.Errorf("ban: %v, want %v", err, node.ErrProtected)
			}
		}
		if err := n.Ban(node.BanTarget{Net: netip.MustParsePrefix("0.0.0.0/0")}, time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		if _, err := greetOver(open(t, world, friend.Addr(), home), staticKey, n); err != nil {
			t.Errorf("static node while all are banned: %v", err)
		}
		w := watch(t, n)
		for range 20 {
			conn := open(t, world, friend.Addr(), home)
			session, err := greetOver(conn, trustedKey, n)
			if err != nil {
				t.Fatalf("trusted node from there: %v", err)
			}
			misbehave(t, &client{conn, session})
			w.next(node.PeerDropped)
		}
		if list := n.Bans(); len(list) != 1 {
			t.Errorf("bans %+v, want the operator's alone", list)
		}
	})
}

// TestMisconductEndsInABan: the third breach within minutes bans the node, the ban lifted
// gives it a clean slate, and a ban that ended is not needed again at once.
func TestMisconductEndsInABan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, nil)
		w := watch(t, n)
		key := newKey(t)
		breaches := func(most int) int {
			for i := range most {
				conn := open(t, world, stranger, home)
				session, err := greetOver(conn, key, n)
				if err != nil {
					return i
				}
				misbehave(t, &client{conn, session})
				w.next(node.PeerDropped)
				synctest.Wait()
			}
			return most
		}
		if got := breaches(10); got != 3 {
			t.Errorf("banned after %d breaches, want 3", got)
		}
		list := n.Bans()
		if len(list) != 1 || !list[0].Automatic || list[0].Target != node.BanID(idOf(key)) || list[0].Until.Sub(list[0].Since) != time.Hour {
			t.Fatalf("bans %+v, want one on the node, for an hour", list)
		}
		if !n.Unban(list[0].Target) {
			t.Error("not lifted")
		}
		if got := breaches(2); got != 2 || len(n.Bans()) != 0 {
			t.Errorf("after lifting: %d breaches let in, bans %+v; want a clean slate", got, n.Bans())
		}
		if n.Unban(node.BanID(idOf(key))) {
			t.Error("lifted a ban that there is not")
		}
		if got := breaches(10); got != 3 {
			t.Errorf("after wiping the slate clean before a ban: banned after %d breaches, want 3", got)
		}
		if list := n.Bans(); len(list) != 1 || list[0].Until.Sub(list[0].Since) != time.Hour {
			t.Errorf("bans %+v, want one for an hour: the one that was lifted does not count", list)
		}
	})
}

func TestBecomingKnownLiftsABan(t *testing.T) {
	n := startNode(t, nil)
	static, trusted := enode.NewV4(&newKey(t).PublicKey, []byte{127, 0, 0, 1}, 1, 1), enode.NewV4(&newKey(t).PublicKey, nil, 0, 0)
	for _, k := range []*enode.Node{static, trusted} {
		if err := n.Ban(node.BanID(k.ID()), time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.AddPeer(static); err != nil {
		t.Fatal(err)
	}
	if list := n.Bans(); len(list) != 1 || list[0].Target.ID != trusted.ID() {
		t.Errorf("bans after one became static: %+v", list)
	}
	n.AddTrusted(trusted)
	if list := n.Bans(); len(list) != 0 {
		t.Errorf("bans after the other became trusted: %+v", list)
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
		stopNode(t, n)
		time.Sleep(2 * time.Minute)
		again := memNode(t, world, home, kept)
		list := again.Bans()
		if len(list) != 1 || list[0].Target != long || list[0].Reason != "long" || time.Until(list[0].Until) != 58*time.Minute {
			t.Fatalf("after a restart: %+v, want the long one, with 58 minutes left", list)
		}
		again.Unban(long)
		stopNode(t, again)
		if last := memNode(t, world, home, kept).Bans(); len(last) != 0 {
			t.Errorf("a lifted ban is back: %+v", last)
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
				t.Errorf("put aside: %q, %v", aside, err)
			}
		})
	}
}

func TestBanNeedsAnEndAndATarget(t *testing.T) {
	n := startNode(t, nil)
	for _, err := range []error{
		n.Ban(node.BanID(enode.ID{1}), 0, "no end"),
		n.Ban(node.BanTarget{}, time.Hour, "nobody"),
		n.Ban(node.BanTarget{Net: netip.MustParsePrefix("203.0.113.1/24")}, time.Hour, "half an address"),
	} {
		if err == nil {
			t.Error("accepted")
		}
	}
	if len(n.Bans()) != 0 {
		t.Errorf("bans %+v", n.Bans())
	}
}

package node_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// keeps checks whether the bans file of a data directory has a target.
func keeps(t *testing.T, dir string, target node.BanTarget, want bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "bans.json"))
	if has := strings.Contains(string(text), target.String()); has != want {
		t.Errorf("the file has %v: %v, want %v (%v)", target, has, want, err)
	}
}

// A ban that is acknowledged is on the disk, and so is its end: before the node runs, while it
// runs, and not after.
func TestBansAreKeptWhenTheyAreAcknowledged(t *testing.T) {
	dir := t.TempDir()
	n, err := node.New(node.Config{
		Key: fixture.Key(t), DataDir: dir, Listen: []netip.AddrPort{nodetest.Loopback}, Specs: []protocols.Spec{greetSpec("greet")},
	})
	if err != nil {
		t.Fatal(err)
	}
	early, running, late := node.BanID(enode.ID{1}), node.BanID(enode.ID{2}), node.BanID(enode.ID{3})
	if err := n.Ban(early, time.Hour, "test"); err != nil {
		t.Error(err)
	}
	keeps(t, dir, early, true)
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 20 { // each time before the actor gets its turn
		if err := n.Ban(running, time.Hour, "test"); err != nil {
			t.Error(err)
		}
		keeps(t, dir, running, true)
		if lifted, err := n.LiftBan(running); !lifted || err != nil {
			t.Errorf("lifted: %v, %v", lifted, err)
		}
		keeps(t, dir, running, false)
	}
	n.Unban(early)
	keeps(t, dir, early, false)
	static, trusted := fixture.Node(t), fixture.Node(t)
	for _, known := range []*enode.Node{static, trusted} {
		if err := n.Ban(node.BanID(known.ID()), time.Hour, "test"); err != nil {
			t.Error(err)
		}
	}
	if err := n.AddPeer(static); err != nil {
		t.Error(err)
	}
	n.AddTrusted(trusted)
	actortest.Eventually(t, "a file without the bans on known nodes", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "bans.json"))
		return err == nil && string(text) == "[]\n"
	})
	nodetest.Stop(t, n)
	if err := n.Ban(late, time.Hour, "test"); !errors.Is(err, node.ErrBanNotKept) {
		t.Errorf("ban after the node's end: %v, want %v", err, node.ErrBanNotKept)
	}
	keeps(t, dir, late, false)
}

// A ban that can't be written is in force, and its answer says so. The node writes it later.
func TestBansThatCantBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var log nodetest.Log
		n := memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) {
			c.DataDir, c.Logger = dir, log.Logger()
		})
		file := filepath.Join(dir, "bans.json")
		if err := os.MkdirAll(filepath.Join(file, "full"), 0o700); err != nil { // no file can replace it
			t.Fatal(err)
		}
		kept, lifted := node.BanID(enode.ID{1}), node.BanID(enode.ID{2})
		for _, target := range []node.BanTarget{kept, lifted} {
			if err := n.Ban(target, time.Hour, "test"); !errors.Is(err, node.ErrBanNotKept) || !strings.Contains(err.Error(), "is in force") {
				t.Errorf("ban: %v, want %v and that it is in force", err, node.ErrBanNotKept)
			}
		}
		client := attach(t, n)
		refused(t, client, "the ban is lifted until the node stops", "admin_unban", lifted.String())
		refused(t, client, "the ban is in force until the node stops", "admin_ban", "192.0.2.1")
		if list := n.Bans(); len(list) != 2 {
			t.Errorf("bans in force: %+v, want two", list)
		}
		if lines := log.Lines("bans not kept"); len(lines) != 1 {
			t.Errorf("logged %q, want one line", lines)
		}
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		keeps(t, dir, kept, true)
		keeps(t, dir, lifted, false)
		if lines := log.Lines("bans kept again"); len(lines) != 1 {
			t.Errorf("logged %q, want one line", lines)
		}
		if err := n.Ban(lifted, time.Hour, "test"); err != nil {
			t.Error(err)
		}
	})
}

// The files that can't be written cost the node nothing but the files. Each is logged once.
func TestNodeThatCantKeepItsFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"enr", "nat.json"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "nodes"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log nodetest.Log
	n := startNode(t, func(c *node.Config) {
		c.DataDir, c.Logger = dir, log.Logger()
		c.Discovery = &node.Discovery{V5: true}
	})
	if err := n.AddProtocol(greetSpec("more")); err != nil { // changes the record's files again
		t.Error(err)
	}
	nodetest.Stop(t, n)
	for _, want := range []string{"node record not kept", "NAT status not kept", "node database kept in memory only"} {
		if lines := log.Lines(want); len(lines) != 1 || !strings.Contains(lines[0], `"WARN"`) {
			t.Errorf("%s: %q, want one warning", want, lines)
		}
	}
}

func TestDataDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	config := node.Config{Key: fixture.Key(t), DataDir: dir, Specs: []protocols.Spec{greetSpec("greet")}}
	first, err := node.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.New(config); !errors.Is(err, node.ErrDataDirInUse) {
		t.Errorf("a second node: %v, want %v", err, node.ErrDataDirInUse)
	}
	nodetest.Stop(t, first) // it was never started
	wrong := config
	wrong.Admin.HTTP = &node.AdminHTTP{}
	if _, err := node.New(wrong); err == nil || errors.Is(err, node.ErrDataDirInUse) {
		t.Errorf("a wrong configuration: %v", err)
	}
	third, err := node.New(config)
	if err != nil {
		t.Fatalf("after the first has stopped, and the second has failed: %v", err)
	}
	nodetest.Stop(t, third)
}

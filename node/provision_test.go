package node_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// keptSpec is a protocol with a service and a Provision that takes its directory.
func keptSpec(name string, into *ledger) protocols.Spec {
	s := servedSpec(name, into)
	s.Provision = func(_ context.Context, env *protocols.Env) error {
		dir, err := env.Dir()
		if err != nil {
			return err
		}
		into.add("%s in %s", name, filepath.Base(dir))
		env.Cleanup(func() { into.add("%s clean", name) })
		return nil
	}
	return s
}

var errNoDisk = errors.New("no disk")

// brokenSpec is a protocol whose Provision fails after it has registered a cleanup.
func brokenSpec(name string, into *ledger) protocols.Spec {
	s := keptSpec(name, into)
	inner := s.Provision
	s.Provision = func(ctx context.Context, env *protocols.Env) error { return errors.Join(inner(ctx, env), errNoDisk) }
	return s
}

// TestProtocolsHaveDirectories: each below the data directory, for its owner alone, made when it
// is asked for, also for a protocol that is added later.
func TestProtocolsHaveDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var book ledger
	n := startNode(t, func(c *node.Config) {
		c.Key, c.DataDir = nil, dir
		c.Specs = []protocols.Spec{greetSpec("greet"), keptSpec("Bow", &book)}
	})
	actortest.Eventually(t, "the first service", func() bool { return strings.Contains(book.String(), "Bow started") })
	var env *protocols.Env
	later := keptSpec("later", &book)
	inner := later.Provision
	later.Provision = func(ctx context.Context, e *protocols.Env) error {
		env = e
		return inner(ctx, e)
	}
	if err := n.AddProtocol(later); err != nil {
		t.Fatal(err)
	}
	if want := hex.EncodeToString(crypto.FromECDSAPub(n.Self().Pubkey())[1:]); env.ID != want {
		t.Errorf("the node's ID is %s, want %s", env.ID, want)
	}
	if got, err := env.Dir(); got != filepath.Join(dir, "protocols", "later") || err != nil {
		t.Errorf("directory %s, %v", got, err)
	}
	for _, name := range []string{"", "%42ow", "later"} {
		info, err := os.Stat(filepath.Join(dir, "protocols", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != fs.ModeDir|0o700 {
			t.Errorf("the mode of %q is %v", name, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "protocols", "greet")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a protocol that asked for no directory: %v", err)
	}
	actortest.Eventually(t, "the second service", func() bool { return strings.Contains(book.String(), "later started") })
	if err := n.RemoveProtocol("later"); err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "the end of the removed protocol", func() bool { return strings.Contains(book.String(), "later clean") })
	nodetest.Stop(t, n)
	want := "Bow in %42ow, Bow started, later in later, later started, later stopping, later clean, Bow stopping, Bow clean"
	if got := book.String(); got != want {
		t.Errorf("the protocols recorded\n%s\nwant\n%s", got, want)
	}
}

// TestNoDataDirectory: then there is no directory, and no error.
func TestNoDataDirectory(t *testing.T) {
	var book ledger
	nodetest.Stop(t, startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{keptSpec("bow", &book)} }))
	if got, want := book.String(), "bow in ., bow started, bow stopping, bow clean"; got != want {
		t.Errorf("the protocol recorded %s, want %s", got, want)
	}
}

// TestProvisionFails: the node does not start, or the protocol is not added, and the cleanups
// run. They run as well if the node can't start for another reason.
func TestProvisionFails(t *testing.T) {
	var book ledger
	n := startNode(t, nil)
	if err := n.AddProtocol(brokenSpec("bow", &book)); !errors.Is(err, errNoDisk) || !strings.HasPrefix(err.Error(), "add protocol bow: protocol bow: provision: ") {
		t.Errorf("AddProtocol: %v, want %v", err, errNoDisk)
	}
	if got, want := book.String(), "bow in ., bow clean"; got != want {
		t.Errorf("the protocol recorded %s, want %s", got, want)
	}
	if err := n.AddProtocol(greetSpec("bow")); err != nil {
		t.Errorf("AddProtocol after a failure: %v", err)
	}

	start := func(specs ...protocols.Spec) error {
		t.Helper()
		n, err := node.New(node.Config{Key: fixture.Key(t), Listen: []netip.AddrPort{nodetest.Loopback}, Specs: specs})
		if err != nil {
			t.Fatal(err)
		}
		return n.Start(context.Background())
	}
	first, second := new(ledger), new(ledger)
	if err := start(keptSpec("one", first), brokenSpec("two", second), keptSpec("three", second)); !errors.Is(err, errNoDisk) || !strings.HasPrefix(err.Error(), "node start: protocol two: provision: ") {
		t.Errorf("Start: %v, want %v", err, errNoDisk)
	}
	if got := first.String() + ", " + second.String(); got != "one in ., one clean, two in ., two clean" {
		t.Errorf("the protocols recorded %s", got)
	}

	large, book2 := keptSpec("large", new(ledger)), new(ledger)
	large.Attributes = tooLarge
	if err := start(keptSpec("bow", book2), large); err == nil || !strings.Contains(err.Error(), "entries of protocols in the node record") {
		t.Errorf("Start with too large an entry: %v", err)
	}
	if got := book2.String(); got != "bow in ., bow clean" {
		t.Errorf("the protocol recorded %s", got)
	}
}

// TestStopDuringProvision: Stop does not wait for a protocol that is being added. The protocol
// is not added then, and its cleanups run.
func TestStopDuringProvision(t *testing.T) {
	n := startNode(t, nil)
	var book ledger
	spec := keptSpec("bow", &book)
	inner := spec.Provision
	begun, goOn := make(chan struct{}), make(chan struct{})
	spec.Provision = func(ctx context.Context, env *protocols.Env) error {
		close(begun)
		<-goOn
		return inner(ctx, env)
	}
	added := make(chan error)
	go func() { added <- n.AddProtocol(spec) }()
	<-begun
	nodetest.Stop(t, n)
	close(goOn)
	if err := <-added; !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("AddProtocol: %v, want %v", err, node.ErrNotRunning)
	}
	if got := book.String(); got != "bow in ., bow clean" {
		t.Errorf("the protocol recorded %s", got)
	}
	if got := n.StopTimeout(); got != 0 {
		t.Errorf("the node asks for %v", got)
	}
}

// TestDirectoryOfARemovedProtocol: while a link runs the removed protocol, or its service has
// not stopped, the protocol can be added again only without its directory.
func TestDirectoryOfARemovedProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, dir := nodetest.NewNetwork(), t.TempDir()
		var book, successor ledger
		slow := flushingSpec("bow", 5*time.Second, time.Second, &book)
		slow.Provision = keptSpec("bow", &book).Provision
		n := memNode(t, world, home, func(c *node.Config) {
			c.DataDir = dir
			c.Specs = []protocols.Spec{greetSpec("greet"), slow}
		})
		other := memNode(t, world, friend, func(c *node.Config) {
			c.Specs = []protocols.Spec{greetSpec("greet"), greetSpec("bow")}
			c.StaticNodes = []*enode.Node{n.Self()}
		})
		synctest.Wait()
		again := func(want error) {
			t.Helper()
			if err := n.AddProtocol(keptSpec("bow", &successor)); !errors.Is(err, want) {
				t.Errorf("AddProtocol: %v, want %v", err, want)
			}
		}
		if err := n.RemoveProtocol("bow"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		again(node.ErrProtocolEnding)
		if err := n.AddProtocol(servedSpec("bow", new(ledger))); err != nil {
			t.Errorf("AddProtocol without a directory: %v", err)
		}
		if err := n.RemoveProtocol("bow"); err != nil {
			t.Fatal(err)
		}
		if err := other.RemovePeer(n.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second) // the service was cut off, and still runs
		again(node.ErrProtocolEnding)
		time.Sleep(4 * time.Second)
		if got := book.String(); !strings.HasSuffix(got, "bow left, bow stopping, bow flushed, bow clean") {
			t.Errorf("the service recorded %s", got)
		}
		again(nil)
		nodetest.Stop(t, n)
		if got := successor.String(); got != "bow in bow, bow started, bow stopping, bow clean" {
			t.Errorf("its successor recorded %s", got)
		}
	})
}

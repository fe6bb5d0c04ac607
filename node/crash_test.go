package node_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// TestCrashTakesNoLinkDown injects repeated panics into each of the node's own actors. The link
// must survive, and the node must still accept and dial.
func TestCrashTakesNoLinkDown(t *testing.T) {
	for _, pattern := range []string{"node-", "*/peers", "*/handshakes", "*/dialer", "*/listener"} {
		name := strings.TrimSuffix(pattern[strings.LastIndex(pattern, "/")+1:], "-")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crashing(t, pattern) })
		})
	}
}

// TestCandidatesAreReadOnce: crashes of the actor that reads Config.Candidates leave no goroutine
// behind while the source has no node.
func TestCandidatesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) {
			c.Candidates = newNoCandidates()
			c.Chaos = []node.Chaos{{Pattern: "*/candidates", Interval: time.Second}}
		})
		time.Sleep(5 * time.Second)
		before := runtime.NumGoroutine()
		time.Sleep(time.Minute)
		synctest.Wait()
		if after := runtime.NumGoroutine(); after > before+5 {
			t.Errorf("%d goroutines became %d with sixty crashes", before, after)
		}
	})
}

// noCandidates is a source of candidates that never has one.
type noCandidates struct{ closed chan struct{} }

func newNoCandidates() *noCandidates { return &noCandidates{make(chan struct{})} }

func (c *noCandidates) Next() bool        { <-c.closed; return false }
func (c *noCandidates) Node() *enode.Node { return nil }
func (c *noCandidates) Close()            { close(c.closed) }

// crashing runs the test for the actors that match a pattern.
func crashing(t *testing.T, pattern string) {
	world := nodetest.NewNetwork()
	key := fixture.Key(t)
	if id := fixture.ID(key); strings.HasPrefix(pattern, "node-") {
		pattern = "node-" + id.String()[:8]
	}
	n := memNode(t, world, home, func(c *node.Config) {
		c.Key = key
		c.Chaos = []node.Chaos{{Pattern: pattern, Interval: 700 * time.Millisecond}}
	})
	w := nodetest.Watch(t, n)
	other := memNode(t, world, friend, nil)
	if err := n.AddPeer(other.Self()); err != nil {
		t.Fatal(err)
	}
	w.Next(node.PeerAdded)
	since := n.Peers()[0].Since

	for range 5 {
		failed := w.Until("a failure", func(e node.Event) bool {
			return e.Kind == node.Lifecycle && e.Step.Event == supervise.Failed
		})
		if !failed.Step.Injected || failed.Step.Stack == "" || !globEqual(failed.Step.Actor, pattern) {
			t.Fatalf("failure %+v, want an injected one of %s", failed.Step, pattern)
		}
		restarted := w.Next(node.Lifecycle)
		if s := restarted.Step; s.Event != supervise.Restarted || s.Actor != failed.Step.Actor {
			t.Fatalf("then %s of %s, want %s", s.Event, s.Actor, supervise.Restarted)
		}
		synctest.Wait()
		if _, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n); err != nil {
			t.Fatalf("inbound after a crash: %v", err)
		}
		w.Next(node.PeerAdded)
	}
	peers := n.Peers()
	if len(peers) != 6 {
		t.Errorf("%d peers, want 6", len(peers))
	}
	for _, p := range peers {
		if p.ID == other.ID() && p.Since != since {
			t.Error("the link was replaced")
		}
	}

	third := memNode(t, world, netip.MustParseAddrPort("203.0.113.3:30303"), nil)
	if err := n.AddPeer(third.Self()); err != nil {
		t.Fatal(err)
	}
	w.Until("a dial after the crashes", func(e node.Event) bool {
		return e.Kind == node.PeerAdded && e.Peer.ID == third.ID()
	})
}

// globEqual says whether a path matches a pattern of these tests.
func globEqual(path, pattern string) bool {
	return path == pattern || strings.HasSuffix(path, strings.TrimPrefix(pattern, "*"))
}

// TestInjectedProtocolPanic: a protocol into which an operator injects panics restarts, and the
// link survives.
func TestInjectedProtocolPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, func(c *node.Config) {
			c.Chaos = []node.Chaos{{Pattern: "*/greet", Interval: 2 * time.Second}}
		})
		w := nodetest.Watch(t, n)
		other := memNode(t, world, friend, func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
		w.Next(node.PeerAdded)
		time.Sleep(21 * time.Second)
		synctest.Wait()
		restarts := 0
		for len(w.Events) > 0 {
			switch e := w.Next(node.Lifecycle); e.Step.Event {
			case supervise.Restarted:
				restarts++
				if !e.Step.Injected || e.Step.Protocol != "greet/1" || !strings.HasSuffix(e.Step.Actor, "/greet") {
					t.Errorf("restarted: %+v", e.Step)
				}
			case supervise.GaveUp, supervise.Stopped:
				t.Errorf("%s: %s", e.Step.Event, e.Step.Reason)
			}
		}
		if restarts < 9 || restarts > 10 {
			t.Errorf("%d restarts in 20 s, want one every 2 s", restarts)
		}
		if n.PeerCount() != 1 || other.PeerCount() != 1 {
			t.Error("the link has ended")
		}
	})
}

// TestStuckHandler: a handler that does not return can't be stopped. The remote receives a
// Disconnect, and Stop does not wait for the handler beyond the time of the links.
func TestStuckHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		world, log := nodetest.NewNetwork(), new(nodetest.Log)
		stuck := greetSpecWith("greet", func(ctx actor.Context) {
			if _, ok := ctx.Message().(*protocols.LinkUp); ok {
				<-release
			}
		})
		n := memNode(t, world, home, func(c *node.Config) { c.Specs, c.Logger = []protocols.Spec{stuck}, log.Logger() })
		other := memNode(t, world, friend, func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
		w := nodetest.Watch(t, other)
		synctest.Wait()
		begin := time.Now()
		if err := n.Stop(t.Context()); err != nil || time.Since(begin) != 2500*time.Millisecond {
			t.Errorf("stop: %v after %v, want 2.5 s", err, time.Since(begin))
		}
		<-n.Done()
		if n.PeerCount() != 0 {
			t.Error("a stopped node has a peer")
		}
		if c := w.Next(node.PeerDropped).Cause; c.Side != actors.Remote || c.Reason != wire.DiscQuitting {
			t.Errorf("cause at the remote %v, want %v", c, wire.DiscQuitting)
		}
		if named := log.Lines(notInTime); len(named) != 1 || !strings.Contains(named[0], "/peers") {
			t.Errorf("late according to the log: %q", named)
		}
		if named := log.Lines("still in a handler"); len(named) != 1 || !strings.Contains(named[0], `"protocol":"greet/1"`) {
			t.Errorf("in a handler according to the log: %q", named)
		}
		close(release)
	})
}

// failingListener fails while fail is set.
type failingListener struct {
	net.Listener
	err   error
	fail  atomic.Bool
	tries atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.tries.Add(1)
	if l.fail.Load() {
		return nil, l.err
	}
	return l.Listener.Accept()
}

// TestAcceptBacksOff: the node does not call a failing Accept in a tight loop.
func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		failing := &failingListener{err: errors.New("too many open files")}
		n := memNode(t, world, home, func(c *node.Config) {
			c.ListenFunc = func(ctx context.Context, on netip.AddrPort) (net.Listener, error) {
				l, err := world.Listen(ctx, on)
				failing.Listener = l
				return failing, err
			}
		})
		failing.fail.Store(true)
		// The first Accept may have begun before fail was set.
		open(t, world, stranger, home)
		time.Sleep(time.Minute)
		synctest.Wait()
		// The pauses are 5 ms doubling to 1 s, then one attempt a second.
		if tries := failing.tries.Load(); tries < 60 || tries > 70 {
			t.Errorf("%d attempts in a minute, want 60 to 70", tries)
		}
		failing.fail.Store(false)
		if _, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n); err != nil {
			t.Errorf("after the listener works again: %v", err)
		}
	})
}

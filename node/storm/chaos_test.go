package storm_test

import (
	"context"
	"crypto/ecdsa"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// residents are the kinds of actors whose crash may cost nothing: all but a link's peer and reader,
// a handshake and a call through NATs, which are temporary.
var residents = []string{
	"*/bans", "*/announcer", "*/nat", "*/discovery", "*/puncher", "*/candidates", "*/dialer", "*/listener",
	"*/handshakes", "*/peers", "*/admin", "*/service-echo", "*/service-come", "*/pinger", "*/echo",
}

// residentsOf adds the root of the node with this key.
func residentsOf(key *ecdsa.PrivateKey) []string {
	return append([]string{"node-" + fixture.ID(key).String()[:8]}, residents...)
}

// TestChaos: while the actors of each kind crash a hundred times a second, no link and no message is
// lost, and protocols come and go within a second.
func TestChaos(t *testing.T) {
	links, lasting := 50, stormTime(t, 3*time.Second)
	if lasting < time.Minute {
		links = 20
	}
	key, start := fixture.Key(t), time.Now()
	spec := echo("echo")
	spec.Service = func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }
	n := nodetest.Start(t, func(c *node.Config) {
		c.Key, c.Specs, c.MaxPeers, c.DataDir = key, []protocols.Spec{spec}, 2*links, t.TempDir()
		c.Discovery, c.Admin.IPC = &node.Discovery{V4: true, V5: true}, t.TempDir()+"/node.ipc"
		c.NAT, c.HolePunching.Private = "extip:127.0.0.1", true
		c.Candidates, c.System = newNone(), crowded(t)
		for _, pattern := range residentsOf(key) {
			interval := 10 * time.Millisecond
			if pattern == "*/handshakes" {
				interval = 250 * time.Millisecond // a crash ends the connections being set up, and the callers must come in
			}
			c.Chaos = append(c.Chaos, node.Chaos{Pattern: pattern, Interval: interval})
		}
	})
	crashes := count(n)
	calls := &caller{}
	calls.on.Store(true)
	callers(t, links, newSystem(t), n, calls.spec("echo"))

	t.Logf("%d links after %v", links, time.Since(start))
	before := runtime.NumGoroutine()
	begin, longest, rounds := time.Now(), time.Duration(0), 0
	for time.Since(begin) < lasting {
		longest = max(longest, comeAndGo(t, n))
		rounds++
		time.Sleep(50 * time.Millisecond)
	}
	calls.on.Store(false)
	actortest.Eventually(t, "each line has its reply", func() bool { return calls.owed.Load() == 0 })
	t.Logf("all replies after %v", time.Since(begin))
	seconds := time.Since(begin).Seconds()
	t.Logf("%.0f replies/s on %d links; %d protocols came and went, the longest call took %v", float64(calls.replies.Load())/seconds, links, rounds, longest)
	for _, problem := range calls.problems() {
		t.Error(problem)
	}
	if longest > 3*time.Second {
		t.Errorf("a call took %v, want at most a second, or three on a slow machine", longest)
	}
	// Each of the dispatchers keeps some goroutines for later.
	if after := runtime.NumGoroutine(); after > before+256 {
		t.Errorf("%d goroutines became %d", before, after)
	}
	if n.PeerCount() != links {
		t.Errorf("%d peers, want %d", n.PeerCount(), links)
	}
	for _, p := range n.Peers() {
		if p.Since.After(begin) {
			t.Errorf("the link to %v was lost and made again", p.ID)
		}
	}
	nodetest.Stop(t, n)
	counts := <-crashes
	least := int(4 * seconds) // of a hundred a second, on a slow machine under the race detector
	for _, pattern := range append([]string{"*/node-"}, residents...) {
		kind := strings.TrimPrefix(pattern, "*/")
		rare := kind == "handshakes" || kind == "service-come" || kind == "announcer" || kind == "bans" // the last two wait for the disk
		if counts[kind] == 0 || counts[kind] < least && !rare {
			t.Errorf("%d crashes of %s, want at least %d", counts[kind], kind, least)
		}
	}
	t.Logf("crashes: %v", counts)
}

// crowded makes an actor system with thirty thousand actors besides the node's. They must not slow the
// node down.
func crowded(t *testing.T) *actor.ActorSystem {
	t.Helper()
	system := newSystem(t)
	idle := actor.PropsFromFunc(func(actor.Context) {})
	for range 30_000 {
		system.Root.Spawn(idle)
	}
	return system
}

// count counts the injected crashes of each kind of actor until the node has stopped. The channel
// then has the result.
func count(n *node.Node) <-chan map[string]int {
	events, result := n.Subscribe(context.Background()), make(chan map[string]int, 1)
	go func() {
		counts := map[string]int{}
		for e := range events {
			if e.Kind != node.Lifecycle || e.Step.Event != supervise.Failed || !e.Step.Injected {
				continue
			}
			kind := e.Step.Actor[strings.LastIndexByte(e.Step.Actor, '/')+1:]
			if strings.HasPrefix(kind, "node-") {
				kind = "node-"
			}
			counts[kind]++
		}
		result <- counts
	}()
	return result
}

// none is a source of candidates that has none.
type none struct{ closed chan struct{} }

func newNone() *none { return &none{make(chan struct{})} }

func (c *none) Next() bool        { <-c.closed; return false }
func (c *none) Node() *enode.Node { return nil }
func (c *none) Close()            { close(c.closed) }

// comeAndGo adds a protocol with a service and removes it, and returns the longest time of the two
// calls.
func comeAndGo(t *testing.T, n *node.Node) time.Duration {
	t.Helper()
	spec := echo("come")
	spec.Service = func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }
	begin := time.Now()
	if err := n.AddProtocol(spec); err != nil {
		t.Fatal(err)
	}
	added := time.Now()
	if err := n.RemoveProtocol("come"); err != nil {
		t.Fatal(err)
	}
	return max(added.Sub(begin), time.Since(added))
}

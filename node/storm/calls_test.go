package storm_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

const (
	workers = 6
	remotes = 8
	// callLimit is how long a call may take, on a slow machine under the race detector.
	callLimit = 20 * time.Second
)

// extras are the protocols that come and go.
var extras = []string{"one", "two", "three"}

// TestCalls: everything that embedding programs and operators can call is called at random, by some
// goroutines at once, while links are under load, actors crash, and the node is stopped and started
// again. Each call returns in time, with an error that the documentation names. At the end events,
// peers and counters agree, the node is sound, and nothing is left.
func TestCalls(t *testing.T) {
	seed := seedOf(t)
	lasting := stormTime(t, time.Duration(actortest.Work(4, 12))*time.Second)
	rounds := max(2, int(lasting/(10*time.Second)))
	w := newWorld(t)
	for round := range rounds {
		w.round(seed+uint64(round), lasting/time.Duration(rounds), round == rounds-1)
		if t.Failed() {
			return
		}
	}
	w.load.on.Store(false)
	actortest.Eventually(t, "no reply is owed", func() bool { return w.load.owed.Load() == 0 })
	for _, problem := range w.load.problems() {
		t.Error(problem)
	}
	t.Logf("%d calls, the longest (%s) took %v; %d replies", w.calls, w.longestOf, w.longest, w.load.replies.Load())
}

func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("TROUPE_STORM_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TROUPE_STORM_SEED: %v", err)
		}
	}
	t.Logf("TROUPE_STORM_SEED=%d", seed)
	return seed
}

// world is the node under test and its remotes. The node changes from round to round.
type world struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	dir     string
	load    *caller
	remotes []*node.Node

	stopping atomic.Bool // the node is being stopped

	mu        sync.Mutex
	calls     int
	longest   time.Duration
	longestOf string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, key: fixture.Key(t), dir: t.TempDir(), load: new(caller)}
	w.load.on.Store(true)
	system := newSystem(t)
	for range remotes {
		w.remotes = append(w.remotes, nodetest.Start(t, func(c *node.Config) {
			c.System, c.Specs = system, []protocols.Spec{w.load.spec("echo")}
			for _, name := range extras {
				c.Specs = append(c.Specs, w.load.spec(name))
			}
		}))
	}
	return w
}

// round runs a node, and calls for a time. The last round then checks that the node is sound.
func (w *world) round(seed uint64, lasting time.Duration, last bool) {
	n := w.start()
	events := newLedger(n)
	if err := n.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	end, stop := context.WithCancel(context.Background())
	var calling sync.WaitGroup
	for i := range workers {
		c := &calls{world: w, n: n, random: rand.New(rand.NewPCG(seed, uint64(i)))}
		calling.Go(func() {
			for end.Err() == nil {
				c.one()
			}
		})
	}
	counters := newCounters()
	for begin := time.Now(); time.Since(begin) < lasting; time.Sleep(20 * time.Millisecond) {
		counters.check(w.t, n.State())
	}
	if last {
		stop()
		calling.Wait()
		w.sound(n)
		events.agrees(w.t, n)
	}
	w.stopping.Store(true)
	w.stop(n) // otherwise amid calls
	stop()
	calling.Wait()
	w.stopping.Store(false)
	counters.check(w.t, n.State())
	events.ended(w.t, n)
}

// start makes a node with the key and the files of its predecessor.
func (w *world) start() *node.Node {
	c := node.Config{
		Key: w.key, DataDir: w.dir, Name: "storm", Listen: []netip.AddrPort{nodetest.Loopback}, Logger: nodetest.StrictLog(w.t),
		Specs: []protocols.Spec{echo("echo"), extra(extras[0])}, Admin: node.Admin{IPC: w.dir + "/ipc", Available: []protocols.Spec{extra(extras[1]), extra(extras[2])}},
		Discovery: &node.Discovery{V4: true, V5: true}, NAT: "extip:127.0.0.1",
	}
	for i, pattern := range residentsOf(w.key) {
		c.Chaos = append(c.Chaos, node.Chaos{Pattern: pattern, Interval: time.Duration(100+37*i) * time.Millisecond})
	}
	n, err := node.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// extra is a protocol that echoes, and has a service and something to prepare and to clean up.
func extra(name string) protocols.Spec {
	spec := echo(name)
	spec.Service = func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }
	spec.Provision = func(_ context.Context, env *protocols.Env) error {
		_, err := env.Dir()
		return err
	}
	return spec
}

// stop stops a node, by two calls at once.
func (w *world) stop(n *node.Node) {
	w.t.Helper()
	begin := time.Now()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { nodetest.Stop(w.t, n) })
	}
	both.Wait()
	if took := time.Since(begin); took > callLimit {
		w.t.Errorf("stopping took %v", took)
	}
}

// sound checks that the node gets a link to each remote after all calls.
func (w *world) sound(n *node.Node) {
	w.t.Helper()
	for _, b := range n.Bans() {
		n.Unban(b.Target)
	}
	for _, r := range w.remotes {
		r.Unban(node.BanID(n.ID()))
		if err := n.RemovePeer(r.ID()); err != nil {
			w.t.Error(err)
		}
		if err := n.AddPeer(r.Self()); err != nil {
			w.t.Error(err)
		}
	}
	before := w.load.replies.Load()
	actortest.Eventually(w.t, "links to all remotes", func() bool { return n.PeerCount() == len(w.remotes) })
	actortest.Eventually(w.t, "replies on the links", func() bool { return w.load.replies.Load() > before+int64(100*len(w.remotes)) })
}

// took notes a call, and checks its time and its error.
func (w *world) took(what string, d time.Duration, err error, expected []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if d > w.longest {
		w.longest, w.longestOf = d, what
	}
	if d > callLimit {
		w.t.Errorf("%s took %v", what, d)
	}
	if err == nil {
		return
	}
	if w.stopping.Load() {
		expected = append(expected, node.ErrBanNotKept)
	}
	for _, e := range append(expected, node.ErrNotRunning, node.ErrStopped) {
		if errors.Is(err, e) || isText(err, e) {
			return
		}
	}
	w.t.Errorf("%s: %v", what, err)
}

// calls is one goroutine that calls.
type calls struct {
	*world
	n      *node.Node
	random *rand.Rand
}

func (c *calls) remote() *node.Node { return c.remotes[c.random.IntN(len(c.remotes))] }
func (c *calls) name() string       { return extras[c.random.IntN(len(extras))] }
func (c *calls) short() time.Duration {
	return time.Second + time.Duration(c.random.Int64N(int64(2*time.Second)))
}

// target is what to ban: a remote, its address, or a network in which no node is.
func (c *calls) target() node.BanTarget {
	text := []string{c.remote().ID().String(), "127.0.0.1", "203.0.113.0/24", fixture.ID(fixture.Key(c.t)).String()}[c.random.IntN(4)]
	target, err := node.ParseBanTarget(text)
	if err != nil {
		c.t.Error(err)
	}
	return target
}

// one makes one call, chosen at random, and pauses for a moment.
func (c *calls) one() {
	all := append(c.methods(), c.rpcs()...)
	call := all[c.random.IntN(len(all))]
	begin := time.Now()
	err := call.do()
	c.took(call.what, time.Since(begin), err, call.expected)
	time.Sleep(time.Duration(c.random.IntN(10)) * time.Millisecond)
}

// call is one call, and the errors that it may return on a running node.
type call struct {
	what     string
	do       func() error
	expected []error
}

// methods are the calls of an embedding program.
func (c *calls) methods() []call {
	n := c.n
	return []call{
		{"AddPeer", func() error { return n.AddPeer(c.remote().Self()) }, nil},
		{"AddPeer", func() error { return n.AddPeer(c.remote().Self()) }, nil},
		{"AddPeer of itself", func() error { return n.AddPeer(n.Self()) }, []error{node.ErrSelf}},
		{"AddPeer of a node that is gone", func() error { return n.AddPeer(gone(c.t)) }, nil},
		{"RemovePeer", func() error { return n.RemovePeer(c.remote().ID()) }, nil},
		{"AddTrusted", func() error { n.AddTrusted(c.remote().Self()); return nil }, nil},
		{"RemoveTrusted", func() error { n.RemoveTrusted(c.remote().ID()); return nil }, nil},
		{"Ban", func() error { return n.Ban(c.target(), c.short(), "storm") }, []error{node.ErrProtected}},
		{"LiftBan", func() error { _, err := n.LiftBan(c.target()); return err }, nil},
		{"AddProtocol", func() error { return n.AddProtocol(extra(c.name())) }, []error{node.ErrProtocolRuns, node.ErrProtocolEnding}},
		{"RemoveProtocol", func() error { return n.RemoveProtocol(c.name()) }, []error{node.ErrNoProtocol}},
		{"Start again", func() error { return cmp.Or(n.Start(context.Background()), errors.New("it started twice")) }, []error{node.ErrStarted}},
		{"reads", func() error {
			_, _, _, _, _ = n.Peers(), n.PeerCount(), n.Info(), n.Self(), n.Bans()
			_, _, _, _ = n.URL(), n.LocalURL(), n.AdminAddr(), n.StopTimeout()
			_, _ = n.NAT()
			_, _ = n.HolePunching()
			return nil
		}, nil},
		{"Subscribe", func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			for range n.Subscribe(ctx) {
			}
			return nil
		}, nil},
		{"Subscribe and leave", func() error {
			ctx, cancel := context.WithCancel(context.Background())
			n.Subscribe(ctx)
			n.SubscribeMessages(ctx, 8)
			cancel()
			return nil
		}, nil},
		{"a remote's AddPeer", func() error { return c.remote().AddPeer(n.Self()) }, nil},
		{"a remote's RemovePeer", func() error { return c.remote().RemovePeer(n.ID()) }, nil},
	}
}

// gone is a node at a port where nothing listens.
func gone(t *testing.T) *enode.Node { return fixture.NodeAt(t, "127.0.0.1:1") }

// isText reports whether an error that came over RPC says what an error of the node says.
func isText(err, want error) bool {
	var remote interface{ ErrorCode() int }
	return errors.As(err, &remote) && strings.Contains(err.Error(), want.Error())
}

package nodetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
)

// patience is how long a Cluster waits for something. In a synctest bubble it takes no real
// time.
const patience = 3 * time.Minute

// maxPause is the longest time between two checks of what a Cluster waits for.
const maxPause = 100 * time.Millisecond

// After a message to an actor that has stopped, protoactor counts further ones for a
// period, in a goroutine. A bubble must be empty at its end: the period is made short, and
// Close waits for it.
const (
	deadLetterPeriod = time.Nanosecond
	settling         = time.Microsecond
)

// Cluster is some nodes on a network of their own. Methods name a node by its index. All but
// Close are for the test's own goroutine.
type Cluster struct {
	Nodes   []*node.Node
	Network *Network

	tb     fataler
	addrs  []netip.Addr
	system *actor.ActorSystem
	close  func() error
}

// fataler is the part of testing.TB that a Cluster needs.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// New runs this number of nodes until the test ends. Each listens at port 30303 of a private
// address of its own and has a key of its own; edit adds the Specs and changes the rest. The
// nodes do not know each other. Their warnings go to the test's log. The test fails if a node
// does not start, or does not stop at the end of the test.
func New(t testing.TB, nodes int, edit func(i int, c *node.Config)) *Cluster {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c, err := start(t, log, nodes, edit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Open is New without a test, for examples and experiments. The caller closes the Cluster.
// It panics where New would fail the test later on.
func Open(nodes int, edit func(i int, c *node.Config)) (*Cluster, error) {
	return start(noTest{}, slog.New(slog.DiscardHandler), nodes, edit)
}

type noTest struct{}

func (noTest) Helper() {}

func (noTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func start(tb fataler, log *slog.Logger, nodes int, edit func(int, *node.Config)) (*Cluster, error) {
	c := &Cluster{Network: NewNetwork(), tb: tb, system: supervise.NewSystem(
		actor.WithDeadLetterThrottleInterval(deadLetterPeriod),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return node.RuntimeLog(log) }),
	)}
	c.close = sync.OnceValue(c.stop)
	for i := range nodes {
		if err := c.start(i, log, edit); err != nil {
			return nil, errors.Join(fmt.Errorf("node %d: %w", i, err), c.Close())
		}
	}
	return c, nil
}

func (c *Cluster) start(i int, log *slog.Logger, edit func(int, *node.Config)) error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	host := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).Next()
	cfg := node.Config{Key: key, Name: fmt.Sprintf("node %d", i), System: c.system, Logger: log.With("node", i)}
	c.Network.Attach(&cfg, netip.AddrPortFrom(host, node.DefaultPort))
	edit(i, &cfg)
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	c.Nodes, c.addrs = append(c.Nodes, n), append(c.addrs, host)
	return n.Start(context.Background())
}

// Close heals the network, stops all nodes, and waits until they have stopped. The error
// names the nodes that failed to stop.
func (c *Cluster) Close() error { return c.close() }

func (c *Cluster) stop() error {
	c.Network.Heal()
	c.Network.SetLatency(0)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	errs := make([]error, len(c.Nodes))
	var stopping sync.WaitGroup
	for i, n := range c.Nodes {
		stopping.Go(func() {
			if err := n.Stop(ctx); err != nil {
				errs[i] = fmt.Errorf("node %d: %w", i, err)
			}
		})
	}
	stopping.Wait()
	c.system.Shutdown()
	time.Sleep(settling)
	return errors.Join(errs...)
}

// Host is the address of a node, for the methods of Network.
func (c *Cluster) Host(i int) netip.Addr { return c.addrs[i] }

// Connect makes node j a static node of node i, and waits for the link between them. The
// link's protocol actors may not have their LinkUp yet; in a bubble, synctest.Wait waits for
// that.
func (c *Cluster) Connect(i, j int) {
	c.tb.Helper()
	if err := c.Nodes[i].AddPeer(c.Nodes[j].Self()); err != nil {
		c.tb.Fatalf("connect %d to %d: %v", i, j, err)
	}
	c.Await(fmt.Sprintf("a link from %d to %d", i, j), func() bool { return c.Linked(i, j) })
}

// Line connects each node to the next one.
func (c *Cluster) Line() {
	c.tb.Helper()
	for i := range len(c.Nodes) - 1 {
		c.Connect(i, i+1)
	}
}

// Linked says whether both nodes have the other one as a peer.
func (c *Cluster) Linked(i, j int) bool { return c.has(i, j) && c.has(j, i) }

func (c *Cluster) has(i, j int) bool {
	for _, p := range c.Nodes[i].Peers() {
		if p.ID == c.Nodes[j].ID() {
			return true
		}
	}
	return false
}

// Await waits until is returns true. It checks after a millisecond, and then after pauses that
// grow to 100 ms. The failure says what did not happen.
func (c *Cluster) Await(what string, is func() bool) {
	c.tb.Helper()
	begin := time.Now()
	for wait := time.Millisecond; !is(); wait = min(2*wait, maxPause) {
		if time.Since(begin) >= patience {
			c.tb.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(wait)
	}
}

// SetLatency sets how long bytes travel between any two nodes, see
// [Network.SetLatency].
func (c *Cluster) SetLatency(d time.Duration) { c.Network.SetLatency(d) }

// Partition cuts the network between groups of nodes, see [Network.Partition].
func (c *Cluster) Partition(groups ...[]int) {
	hosts := make([][]netip.Addr, len(groups))
	for g, nodes := range groups {
		for _, i := range nodes {
			hosts[g] = append(hosts[g], c.addrs[i])
		}
	}
	c.Network.Partition(hosts...)
}

// Heal ends a partition.
func (c *Cluster) Heal() { c.Network.Heal() }

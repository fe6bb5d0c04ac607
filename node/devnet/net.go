package devnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/asynclog"
	"github.com/troupe-p2p/troupe/protocols"
)

// DefaultMaxPeers is the default maximum number of peers of a node. A node dials up to four
// of them itself.
const DefaultMaxPeers = 10

// Config configures a net.
type Config struct {
	// Nodes is the number of nodes.
	Nodes int
	// MaxPeers limits the peers of each node. Zero: DefaultMaxPeers.
	MaxPeers int
	// Specs makes the protocols of a node. It is called once for each node.
	Specs func() []protocols.Spec
	// Chaos kills nodes and makes actors panic from time to time.
	Chaos bool
	// Rand makes all random choices. Nil: a random seed.
	Rand *rand.Rand
	// Logger receives the nodes' logs. Nil: they are discarded.
	Logger *slog.Logger
}

// Net is a network of nodes in this process.
type Net struct {
	*shared
	actor *actor.PID
	over  sync.Once // shuts the actor system down
}

// shared is the state that the actor shares with callers of Net.
type shared struct {
	Config
	system  *actor.ActorSystem
	journal *supervise.Journal
	begin   time.Time

	want     atomic.Int64                 // intended number of nodes
	up       atomic.Pointer[[]*node.Node] // running nodes
	killed   atomic.Int64
	crashes  atomic.Int64
	restarts atomic.Int64
	late     atomic.Int64   // starts that took too long
	whole    atomic.Int64   // nanoseconds until all nodes were up for the first time; 0: they were not yet
	working  sync.WaitGroup // the actor's goroutines

	life, polite         context.Context    // end with the starts, and with the time for Disconnects
	endStarts, endNicely context.CancelFunc // end these two

	err  error // read it only after done is closed
	done chan struct{}
}

var errCrashed = errors.New("devnet: crashed, see the log")

// Start starts a net. It returns at once, before its nodes have started.
func Start(c Config) (*Net, error) {
	if c.Nodes < 1 || c.Specs == nil {
		return nil, fmt.Errorf("devnet: %d nodes, want at least one, and Config.Specs", c.Nodes)
	}
	if c.MaxPeers <= 0 {
		c.MaxPeers = DefaultMaxPeers
	}
	if err := checkFiles(c.Nodes, c.MaxPeers, openFiles()); err != nil {
		return nil, fmt.Errorf("devnet: %w", err)
	}
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = slog.New(asynclog.Wrap(c.Logger.Handler()))
	h := &shared{Config: c, begin: time.Now(), journal: supervise.NewJournal(c.Logger), done: make(chan struct{})}
	h.life, h.endStarts = context.WithCancel(context.Background())
	h.polite, h.endNicely = context.WithCancel(context.Background())
	h.want.Store(int64(c.Nodes))
	h.up.Store(new([]*node.Node))
	h.system = supervise.NewSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return node.RuntimeLog(c.Logger) }),
		actor.WithDeadLetterThrottleInterval(50*time.Millisecond),
		actor.WithDeadLetterThrottleCount(1),
	)
	// A crash of the actor ends the net, because a new incarnation would not know the nodes.
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	props := supervise.PropsOf(func() actor.Actor { return &manager{shared: h} }, h.journal, actor.WithGuardian(stop))
	pid, err := h.system.Root.SpawnNamed(props, "devnet")
	if err != nil {
		h.system.Shutdown()
		return nil, fmt.Errorf("devnet: %w", err)
	}
	return &Net{shared: h, actor: pid}, nil
}

// Stats returns the state of the net. It doesn't call the actor.
func (n *Net) Stats() Stats {
	s := Stats{
		Elapsed: time.Since(n.begin), Want: int(n.want.Load()),
		Killed: n.killed.Load(), Crashes: n.crashes.Load(), Restarts: n.restarts.Load(),
		Late: n.late.Load(), Whole: time.Duration(n.whole.Load()),
	}
	g := graph{}
	for _, member := range *n.up.Load() {
		peers := []enode.ID{}
		for _, p := range member.Peers() {
			peers = append(peers, p.ID)
		}
		g[member.ID()] = peers
	}
	s.measure(g)
	return s
}

// Nodes returns the records of the running nodes. Chaos never kills the first one.
func (n *Net) Nodes() (list []*enode.Node) {
	for _, member := range *n.up.Load() {
		list = append(list, member.Self())
	}
	return list
}

// Kill ends that many nodes, chosen at random. They don't disconnect from their peers first,
// and they are not replaced.
func (n *Net) Kill(nodes int) { supervise.Send(n.system.Root, n.actor, &kill{n: nodes}) }

// Done returns a channel that closes when all nodes have ended.
func (n *Net) Done() <-chan struct{} { return n.done }

// cutTime is how long nodes may take to end once Stop's context has ended.
const cutTime = 5 * time.Second

// Stop ends all nodes and waits until they have ended. Nodes that have not disconnected from their
// peers when ctx ends, end without that. The error is the one with which the net has ended before, or
// ctx's if nodes still run five seconds later. Stop may be called again.
func (n *Net) Stop(ctx context.Context) error {
	supervise.Send(n.system.Root, n.actor, &finish{})
	select {
	case <-n.done:
	case <-ctx.Done():
		n.endNicely()
		cut := time.NewTimer(cutTime)
		defer cut.Stop()
		select {
		case <-n.done:
		case <-cut.C:
			return fmt.Errorf("devnet: wait for all nodes to end: %w", context.Cause(ctx))
		}
	}
	n.endNicely()
	n.working.Wait()
	n.over.Do(n.system.Shutdown)
	return n.err
}

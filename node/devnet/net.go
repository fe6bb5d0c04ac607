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
	"github.com/troupe-p2p/troupe/protocols"
)

// DefaultMaxPeers is how many peers a node of a net may have. Four of them it looks for
// itself.
const DefaultMaxPeers = 10

// Config says what a net is to be like.
type Config struct {
	// Nodes is how many there are.
	Nodes int
	// MaxPeers limits the peers of each. Zero: DefaultMaxPeers.
	MaxPeers int
	// Specs makes the protocols of a node.
	Specs func() []protocols.Spec
	// Chaos kills nodes and makes actors panic, now and then.
	Chaos bool
	// Rand decides which. Nil: chance.
	Rand *rand.Rand
	// Logger takes the nodes' log. Nil: nothing.
	Logger *slog.Logger
}

// Net is a network of nodes in this process.
type Net struct {
	*shared
	actor *actor.PID
	over  sync.Once // the end of the system
}

// shared is what the actor and the callers of Net have in common.
type shared struct {
	Config
	system  *actor.ActorSystem
	journal *supervise.Journal
	begin   time.Time

	want     atomic.Int64                 // nodes that there are to be
	up       atomic.Pointer[[]*node.Node] // those that run
	killed   atomic.Int64
	crashes  atomic.Int64
	restarts atomic.Int64
	working  sync.WaitGroup // goroutines

	err  error // to be read when done is closed
	done chan struct{}
}

var errCrashed = errors.New("devnet: crashed, the log says how")

// Start begins to start the nodes of a net, and returns at once.
func Start(c Config) (*Net, error) {
	if c.Nodes < 1 || c.Specs == nil {
		return nil, fmt.Errorf("devnet: %d nodes, want one at least, and protocols for them", c.Nodes)
	}
	if c.MaxPeers <= 0 {
		c.MaxPeers = DefaultMaxPeers
	}
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h := &shared{Config: c, begin: time.Now(), journal: supervise.NewJournal(c.Logger), done: make(chan struct{})}
	h.want.Store(int64(c.Nodes))
	h.up.Store(new([]*node.Node))
	h.system = actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return node.RuntimeLog(c.Logger) }),
		actor.WithDeadLetterThrottleInterval(50*time.Millisecond),
		actor.WithDeadLetterThrottleCount(1),
	)
	// A crash of the actor ends the net: it knows which nodes there are.
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	props := supervise.PropsOf(func() actor.Actor { return &manager{shared: h} }, h.journal, actor.WithGuardian(stop))
	pid, err := h.system.Root.SpawnNamed(props, "devnet")
	if err != nil {
		h.system.Shutdown()
		return nil, fmt.Errorf("devnet: %w", err)
	}
	return &Net{shared: h, actor: pid}, nil
}

// Stats tells how the net is getting on. It asks no actor.
func (n *Net) Stats() Stats {
	s := Stats{
		Elapsed: time.Since(n.begin), Want: int(n.want.Load()),
		Killed: n.killed.Load(), Crashes: n.crashes.Load(), Restarts: n.restarts.Load(),
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

// Nodes are the records of the nodes that run, for others to find them by. Chaos kills any of
// them but the first.
func (n *Net) Nodes() (list []*enode.Node) {
	for _, member := range *n.up.Load() {
		list = append(list, member.Self())
	}
	return list
}

// Kill ends so many nodes, chosen at random, without a good-bye and for good.
func (n *Net) Kill(nodes int) { supervise.Send(n.system.Root, n.actor, &kill{n: nodes}) }

// Done closes when all nodes have ended.
func (n *Net) Done() <-chan struct{} { return n.done }

// Stop ends all nodes and waits for that, or for ctx. The error is the reason why the net
// ended before, or ctx's. It may be called again.
func (n *Net) Stop(ctx context.Context) error {
	supervise.Send(n.system.Root, n.actor, &finish{})
	select {
	case <-n.done:
	case <-ctx.Done():
		return fmt.Errorf("devnet: not all nodes have ended: %w", context.Cause(ctx))
	}
	n.working.Wait()
	n.over.Do(n.system.Shutdown)
	return n.err
}

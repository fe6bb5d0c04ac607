package crawl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// seedBootnodes is the maximum number of nodes of an earlier crawl that serve as additional
// bootnodes.
const seedBootnodes = 32

// shared is state that survives restarts of the actors. Each field has one actor that
// changes it.
type shared struct {
	Config
	Journal  *supervise.Journal
	local    bool          // the crawl includes private networks
	old      []*enode.Node // nodes of an earlier crawl, as additional bootnodes
	store    *store
	plan     *plan        // owned by the walker
	unsaved  atomic.Int64 // entries that the archive has not yet written
	pending  pending      // owned by the archive
	progress atomic.Pointer[Progress]
	visits   sync.WaitGroup // the visits' goroutines

	archive, discovery *actor.PID // the PIDs don't change on restarts

	err  error // the crawl's error; read it only after done is closed
	done chan struct{}
}

// Run crawls until nothing new comes any more or ctx ends, which is no error. It returns a
// summary of the database. On error, too, it writes the results up to then.
func Run(ctx context.Context, c Config) (Summary, error) {
	c, err := c.complete()
	if err != nil {
		return Summary{}, err
	}
	s, err := openStore(c.DB)
	if err != nil {
		return Summary{}, err
	}
	err = newShared(c, s).run(ctx)
	sum, failed := s.summary()
	return sum, errors.Join(err, failed, s.close())
}

func newShared(c Config, s *store) *shared {
	return &shared{
		Config: c, Journal: supervise.NewJournal(c.Logger), local: c.local(), store: s, plan: newPlan(c.limits()),
		done: make(chan struct{}),
	}
}

// run crawls with an open database.
func (h *shared) run(ctx context.Context) error {
	if err := h.resume(); err != nil {
		return err
	}
	find, release, err := h.discoveryProps()
	if err != nil {
		return err
	}
	defer release()
	return h.supervise(ctx, find)
}

// supervise runs the actors until they have ended.
func (h *shared) supervise(ctx context.Context, find *actor.Props) error {
	system := supervise.NewSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return node.RuntimeLog(h.Logger) }),
		actor.WithDeadLetterThrottleInterval(50*time.Millisecond),
		actor.WithDeadLetterThrottleCount(1),
	)
	defer system.Shutdown()
	// A crash of the root actor ends the crawl. A restart would start it while its children
	// still run.
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	props := supervise.PropsOf(func() actor.Actor {
		return &crawler{shared: h, Supervisor: supervise.NewSupervisor(h.Clock, h.Journal, nil), discover: find}
	}, h.Journal, actor.WithGuardian(stop))
	pid, err := system.Root.SpawnNamed(props, "crawl")
	if err != nil {
		return fmt.Errorf("crawl: %w", err)
	}
	h.await(ctx, func() { supervise.Send(system.Root, pid, &finish{}) })
	h.visits.Wait()
	return h.err
}

// await reports until the crawl is done.
func (h *shared) await(ctx context.Context, finish func()) {
	reports := time.NewTicker(h.ReportEvery)
	defer reports.Stop()
	ended := ctx.Done()
	for {
		select {
		case <-h.done:
			return
		case <-ended:
			ended = nil
			finish()
		case <-reports.C:
			if p := h.progress.Load(); p != nil && h.Report != nil {
				h.Report(*p)
			}
		}
	}
}

// resume loads the nodes of an earlier crawl into the plan.
func (h *shared) resume() error {
	seeds, err := h.store.seeds(defaultNodes)
	if err != nil {
		return err
	}
	n := h.Network
	if len(seeds)+len(n.Bootnodes)+len(n.BootnodesV5)+len(n.DNS) == 0 {
		return errNowhere
	}
	now := h.Clock.Now()
	h.plan.news = now
	for _, s := range seeds {
		// A local node in the database means that the earlier crawl included local networks.
		h.local = h.local || s.alive && private(s.node.IPAddr())
	}
	for _, s := range seeds {
		if !h.welcome(s.node) {
			continue
		}
		if consensusOnly(s.node) {
			h.plan.shelve(s.node, now)
		} else {
			h.plan.learn(s.node, s.lastTry, now)
		}
		if s.node.UDP() != 0 && s.node.ValidateComplete() == nil && len(h.old) < seedBootnodes {
			h.old = append(h.old, s.node)
		}
	}
	return nil
}

// discoveryProps opens the UDP socket and makes the Props of discovery. The caller calls
// release after the actor has stopped, or if it was never started.
func (h *shared) discoveryProps() (props *actor.Props, release func(), err error) {
	db, err := enode.OpenDB("")
	if err != nil {
		return nil, nil, fmt.Errorf("crawl: %w", err)
	}
	c := discovery.Config{
		Key: h.Key, Local: enode.NewLocalNode(db, h.Key), V4: h.V4, V5: h.V5,
		Bootnodes: slices.Concat(h.Network.Bootnodes, h.old), BootnodesV5: slices.Concat(h.Network.BootnodesV5, records(h.old)),
		DNS:         h.Network.DNS,
		NetRestrict: h.NetRestrict, Clock: h.Clock, Journal: h.Journal, Logger: h.Logger,
	}
	if h.V4 || h.V5 {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(h.Listen))
		if err != nil {
			db.Close()
			return nil, nil, fmt.Errorf("crawl: %w", err)
		}
		c.Local.SetFallbackUDP(conn.LocalAddr().(*net.UDPAddr).Port)
		c.Conns = []discover.UDPConn{conn}
	}
	finder, err := discovery.New(c)
	if err != nil {
		for _, conn := range c.Conns {
			err = errors.Join(err, conn.Close())
		}
		db.Close()
		return nil, nil, err
	}
	return finder.Props(), db.Close, nil
}

// records returns the nodes with a record; discovery v5 needs it.
func records(nodes []*enode.Node) []*enode.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *enode.Node) bool { return n.Seq() == 0 })
}

package node

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/protocols"
)

// Errors of a Node's methods.
var (
	ErrStarted    = errors.New("node was started before")
	ErrStopped    = errors.New("node was stopped")
	ErrNotRunning = errors.New("node is not running")
)

// Node is a devp2p node. Its methods are safe from any goroutine.
type Node struct {
	cfg Config
	key *ecdsa.PrivateKey
	id  enode.ID
	log *slog.Logger
	// rt runs all the node's actors and those of its links.
	rt        supervise.Runtime
	ownSystem bool

	offer     atomic.Pointer[offer.Offer] // complete once the node listens
	offering  sync.Mutex                  // of those who replace it while the node runs
	pool      *actors.Pool
	feed      *actors.Feed
	hub       hub
	roster    *roster
	ledger    *bans.Ledger
	reading   sync.Mutex // of Config.Candidates
	churn     churner    // owned by peers
	plan      *dialPlan  // owned by the dialer
	connector *connector
	draining  atomic.Bool   // peers has been told to say good-bye
	sendOffs  atomic.Int32  // goroutines of peers that tell a refused remote why
	intake    chan struct{} // credits of accepted connections without a slot

	record    atomic.Pointer[enode.Node]
	local     *enode.LocalNode // makes the record where discovery runs; else nil
	told      told             // what local was told; owned as outside is
	nodes     *enode.DB        // nil without discovery
	udp       []discover.UDPConn
	outside   nat.ExternalAddress // owned by the announcer once the node runs
	natStatus atomic.Pointer[nat.Status]
	natGone   atomic.Bool                 // the NAT actor has given its mappings back
	reach     atomic.Pointer[punch.State] // what the puncher said last; set by the announcer
	line      *discovery.Line
	desk      *punch.Service  // nil: no hole punching; set before the actors start
	heard     [3]atomic.Int64 // when the NAT actor was last told that somebody came in, in Unix milliseconds, by nat.Protocol
	acceptors []*acceptor     // set before the actors start
	sockets   *admin.Sockets  // likewise; nil where nothing serves the admin API
	door      *door           // nil: no holes are punched for TCP
	quit      chan struct{}   // closes when nobody is to come in any more

	// The actors below the root keep their names over restarts.
	root, admin, announcer, nat, discovery, puncher, bans, peers, handshakes, candidates, dialer *actor.PID

	mu    sync.Mutex
	state state
	up    chan struct{} // the root has started its children
	done  chan struct{} // the root has stopped
}

type state uint8

const (
	stateNew state = iota
	stateRunning
	stateStopping
)

// New makes a node. It opens no socket and starts nothing; with a DataDir it reads the
// key there, or makes one.
func New(cfg Config) (*Node, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	mounted, err := protocols.Mount(cfg.Specs...)
	if err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	key := cfg.Key
	if key == nil {
		if key, err = datadir.Key(cfg.DataDir); err != nil {
			return nil, err
		}
	}
	n := &Node{
		cfg: cfg, key: key, id: enode.PubkeyToIDV4(&key.PublicKey),
		log: cfg.Logger, rt: supervise.Runtime{System: cfg.System, Dispatcher: supervise.NewDispatcher(), Clock: cfg.Clock},
		pool:   actors.NewPool(cfg.PoolBytes),
		feed:   actors.NewFeed(),
		intake: make(chan struct{}, maxWaiting),
		quit:   make(chan struct{}),
		up:     make(chan struct{}),
		done:   make(chan struct{}),
	}
	offered, err := offer.New(key, cfg.Name, 0, mounted)
	if err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	n.offer.Store(offered)
	n.rt.Journal = supervise.NewJournal(cfg.Logger, func(s Step) {
		n.hub.publish(Event{Kind: Lifecycle, Time: s.Time, Step: s})
	})
	n.roster = newRoster(n.id, cfg.limits())
	n.ledger = bans.NewLedger(n.rt.Clock)
	n.roster.banned = n.ledger.Check
	if err := bans.Restore(bans.File(cfg.DataDir), n.ledger, n.log); err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	n.churn.chance = jitterFrom(cfg.Rand)
	n.plan = newDialPlan(cfg.MaxPending, cfg.MaxDialRate, jitterFrom(cfg.Rand))
	n.plan.refuse, n.plan.networks = n.roster.check, cfg.NetRestrict
	n.connector = &connector{dial: cfg.Dial, lookup: cfg.LookupHost, networks: cfg.NetRestrict, found: n.roster.locate}
	n.door = n.newDoor()
	n.plan.calls = n.door != nil && n.cfg.punches()
	for _, t := range cfg.TrustedNodes {
		n.AddTrusted(t)
	}
	for _, s := range cfg.StaticNodes {
		n.setStatic(s)
		n.plan.add(s, false, n.rt.Clock.Now())
	}
	if _, err := n.attributesOf(mounted); err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	if err := n.checkAdmin(mounted); err != nil {
		return nil, fmt.Errorf("node config: admin API: %w", err)
	}
	own, err := signRecord(key, endpoint{}.entries(), 0)
	if err != nil {
		return nil, err
	}
	n.record.Store(own)
	return n, nil
}

// Start opens the listening sockets and starts the actors. ctx bounds the start alone; if
// it ends before the actors are up, the node must be stopped. A node that was stopped
// can't be started again.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case stateRunning:
		return ErrStarted
	case stateStopping:
		return ErrStopped
	}
	if err := n.open(ctx); err != nil {
		n.close()
		return err
	}
	n.state = stateRunning
	select {
	case <-n.up:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node start: %w", context.Cause(ctx))
	}
}

// open opens what the actors use, and starts them.
func (n *Node) open(ctx context.Context) error {
	if err := datadir.Make(n.cfg.DataDir); err != nil {
		return err
	}
	if err := n.listen(ctx); err != nil {
		return err
	}
	if err := n.announce(); err != nil {
		return err
	}
	if err := n.openAdmin(ctx); err != nil {
		return err
	}
	n.openDesk()
	if n.rt.System == nil {
		n.rt.System, n.ownSystem = newSystem(n.log), true
	}
	return n.spawnRoot()
}

// close closes it when the actors are gone, or did not start.
func (n *Node) close() {
	n.closeListeners()
	n.closeUDP()
	n.closeAdmin()
	if n.nodes != nil {
		n.nodes.Close()
	}
}

// newSystem makes the runtime of a node that was given none, with its log in ours.
func newSystem(log *slog.Logger) *actor.ActorSystem {
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(s *actor.ActorSystem) *slog.Logger {
			return RuntimeLog(log).With("system", s.ID)
		}),
		// A goroutine counts dead letters for so long after the last one; it is the only
		// thing that outlives the node, so let it be short.
		actor.WithDeadLetterThrottleInterval(50*time.Millisecond),
		actor.WithDeadLetterThrottleCount(1),
	)
}

// RuntimeLog is the logger to give to an ActorSystem that a node shares
// (actor.WithLoggerFactory): protoactor's log in the node's, at the levels of an operator.
func RuntimeLog(log *slog.Logger) *slog.Logger {
	return slog.New(runtimeHandler{log.Handler()}).With("lib", "protoactor")
}

// spawnRoot starts the root under the node's ID, with a suffix if another node of that
// name lives in the same system.
func (n *Node) spawnRoot() error {
	name := "node-" + hex.EncodeToString(n.id[:4])
	err := n.spawnRootAs(name)
	if errors.Is(err, actor.ErrNameExists) {
		err = n.spawnRootAs(name + n.rt.System.ProcessRegistry.NextId())
	}
	return err
}

func (n *Node) spawnRootAs(name string) (err error) {
	// The PIDs are known before the first actor runs, so that none ever sees another's
	// missing.
	child := func(short string) *actor.PID { return n.rt.System.NewLocalPID(name + "/" + short) }
	n.announcer, n.nat, n.discovery = child(announcerName), child(natName), child(discoveryName)
	n.peers, n.handshakes, n.dialer = child(peersName), child(handshakesName), child(dialerName)
	n.admin = child(adminName)
	n.bans, n.candidates, n.puncher = child(bansName), child(candidatesName), child(puncherName)
	for _, m := range n.offer.Load().Mounted {
		n.placeService(m, name)
	}
	if n.root, err = n.rt.System.Root.SpawnNamed(n.rootProps(), name); err != nil {
		return fmt.Errorf("node start: %w", err)
	}
	return nil
}

// Stop ends the node in order: it accepts and dials no more, tells its peers 'client
// quitting', and is gone. When ctx ends first, what is left is cut off, and the error is
// ctx's. A second call waits as well; a node that was never started is stopped at once.
func (n *Node) Stop(ctx context.Context) error {
	n.mu.Lock()
	was := n.state
	n.state = stateStopping
	n.mu.Unlock()
	if was == stateNew {
		n.hub.close()
		close(n.done)
		return nil
	}
	if was == stateRunning {
		supervise.Send(n.rt.System.Root, n.root, &stopNode{})
	}
	select {
	case <-n.done:
		return nil
	case <-ctx.Done():
	}
	n.rt.System.Root.Stop(n.root)
	return fmt.Errorf("node stop: %w", context.Cause(ctx))
}

// stopped is called by the root when it is the last one left.
func (n *Node) stopped() {
	n.close()
	n.hub.close()
	n.rt.Dispatcher.Close()
	if n.ownSystem {
		n.rt.System.Shutdown()
	}
	close(n.done)
}

// Done closes when the node has stopped.
func (n *Node) Done() <-chan struct{} { return n.done }

// Subscribe gives the events of the node from now on, until ctx ends or the node has
// stopped; then the channel closes. Events wait for a slow subscriber in a buffer, and
// are dropped when it is full: Event.Missed tells how many.
func (n *Node) Subscribe(ctx context.Context) <-chan Event { return n.hub.subscribe(ctx) }

// Self is the node's signed record, with the address under which others reach it. Before
// Start it has none.
func (n *Node) Self() *enode.Node { return n.record.Load() }

// ID is the node's ID.
func (n *Node) ID() enode.ID { return n.id }

// AddPeer keeps a link to a static node from now on: dials it until there is one, and
// again when it ends. One that is known already gets the new address.
func (n *Node) AddPeer(node *enode.Node) error {
	if node.Pubkey() == nil {
		return fmt.Errorf("add peer %v: no public key", node)
	}
	if node.ID() == n.id {
		return fmt.Errorf("add peer: %w", refusal.ErrSelf)
	}
	return n.tell(func() { n.setStatic(node) }, send{&n.dialer, &addStatic{node: node}})
}

// RemovePeer ends the link to a node, and dials it no more.
func (n *Node) RemovePeer(id enode.ID) error {
	return n.tell(func() { n.roster.setStatic(id, false) },
		send{&n.dialer, &removeStatic{id: id}}, send{&n.peers, &dropPeer{id: id}})
}

// AddTrusted lets a node in also above the limit from now on.
func (n *Node) AddTrusted(node *enode.Node) {
	n.roster.setTrusted(node.ID(), true)
	n.pardon(node.ID())
	n.roster.locate(node.ID(), netaddr.Addrs(node))
}

// RemoveTrusted makes a node count like any other. A link to it stays.
func (n *Node) RemoveTrusted(id enode.ID) { n.roster.setTrusted(id, false) }

func (n *Node) setStatic(node *enode.Node) {
	n.roster.setStatic(node.ID(), true)
	n.pardon(node.ID())
	n.roster.locate(node.ID(), netaddr.Addrs(node))
}

// send is a message to one of the node's actors.
type send struct {
	to  **actor.PID
	msg any
}

// tell makes a change and tells the actors, if the node runs.
func (n *Node) tell(change func(), sends ...send) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != stateRunning {
		return ErrNotRunning
	}
	change()
	for _, s := range sends {
		supervise.Send(n.rt.System.Root, *s.to, s.msg)
	}
	return nil
}

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/asynclog"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/dial"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/node/setup"
	"github.com/troupe-p2p/troupe/protocols"
)

// Node is a devp2p node. Its methods are safe from any goroutine.
type Node struct {
	cfg Config // with defaults, and the key
	id  enode.ID
	// rt runs all the node's actors and those of its links.
	rt        supervise.Runtime
	ownSystem bool // rt.System is the node's own

	offer    atomic.Pointer[offer.Offer] // complete once the node listens
	offering sync.Mutex                  // held while a running node's offer is replaced
	services services
	pool     *actors.Pool
	feed     *actors.Feed
	hub      hub
	table    *peers.Table
	ledger   *bans.Ledger
	record   *record.Record
	dir      *datadir.Dir

	// The parts below are made by Start, before the actors.
	sockets      *listen.Sockets
	adminSockets *admin.Sockets       // nil: nothing serves the admin API
	discovery    *discovery.Discovery // nil: discovery is off
	punch        *punch.Service       // nil: no hole punching
	port         *punch.ListenPort    // nil: no hole punching for TCP
	setup        *setup.Pool
	dialer       *dial.Dialer
	pids         pids

	life *life
}

// New makes a node. It opens no socket and starts nothing. With a DataDir it makes and locks the
// directory, and reads the key and the bans there; without a key there, it makes one. Stop
// unlocks the directory, also if the node was never started. The error is [ErrDataDirInUse] if
// another node uses it.
func New(cfg Config) (n *Node, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	mounted, err := protocols.Mount(cfg.Specs...)
	if err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	dir, err := datadir.Open(cfg.DataDir, cfg.Logger)
	if err != nil {
		return nil, err
	}
	defer func() {
		if n != nil {
			return
		}
		if failed := dir.Close(); failed != nil {
			err = errors.Join(err, failed)
		}
	}()
	if cfg.Key == nil {
		if cfg.Key, err = datadir.Key(cfg.DataDir); err != nil {
			return nil, err
		}
	}
	return newNode(cfg, mounted, dir)
}

// newNode makes a node from a complete Config.
func newNode(cfg Config, mounted []*protocols.Mounted, dir *datadir.Dir) (*Node, error) {
	n := &Node{
		dir: dir,
		cfg: cfg, id: enode.PubkeyToIDV4(&cfg.Key.PublicKey),
		rt:   supervise.Runtime{System: cfg.System, Dispatcher: supervise.NewDispatcher(), Clock: cfg.Clock},
		pool: actors.NewPool(cfg.PoolBytes),
		feed: actors.NewFeed(),
		life: newLife(),
	}
	n.rt.Journal = supervise.NewJournal(cfg.Logger, func(s Step) {
		n.hub.publish(Event{Kind: Lifecycle, Time: s.Time, Step: s})
	})
	n.rt.Watch = supervise.NewWatch(n.rt.Clock, n.resumed)
	var err error
	if n.record, err = record.New(cfg.Key); err != nil {
		return nil, err
	}
	offered, err := offer.New(cfg.Key, cfg.Name, 0, mounted)
	if err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	n.offer.Store(offered)
	n.ledger = bans.NewLedger(n.rt.Clock)
	if err := n.ledger.Restore(bans.File(cfg.DataDir), cfg.Logger); err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	n.table = peers.NewTable(n.id, cfg.limits(), n.ledger.Check)
	if err := n.addConfigured(); err != nil {
		return nil, fmt.Errorf("node config: %w", err)
	}
	ready := slices.DeleteFunc(slices.Clone(mounted), func(m *protocols.Mounted) bool { return m.Spec.Provision != nil })
	if _, err := n.attributesOf(ready); err != nil { // the others' come with Start
		return nil, fmt.Errorf("node config: %w", err)
	}
	if err := n.checkAdmin(mounted); err != nil {
		return nil, fmt.Errorf("node config: admin API: %w", err)
	}
	return n, nil
}

// newSystem makes the actor system of a node without Config.System. It logs to log.
func newSystem(log *slog.Logger) *actor.ActorSystem {
	return supervise.NewSystem(
		actor.WithLoggerFactory(func(s *actor.ActorSystem) *slog.Logger {
			return RuntimeLog(log).With("system", s.ID)
		}),
		// A goroutine counts dead letters for this long after the last one. Nothing else
		// outlives the node, so the time is short.
		actor.WithDeadLetterThrottleInterval(50*time.Millisecond),
		actor.WithDeadLetterThrottleCount(1),
	)
}

// RuntimeLog returns the logger for an ActorSystem that nodes share (actor.WithLoggerFactory).
// It writes protoactor's log to log, at levels that suit an operator. No actor waits for log.
func RuntimeLog(log *slog.Logger) *slog.Logger {
	return slog.New(runtimeHandler{asynclog.Wrap(log.Handler())}).With("lib", "protoactor")
}

// Subscribe returns a channel with the events of the node from now on. It closes when ctx ends
// or the node has stopped. Events wait for a slow subscriber in a buffer. Events are dropped
// while the buffer is full: Event.Missed is their number.
func (n *Node) Subscribe(ctx context.Context) <-chan Event { return n.hub.subscribe(ctx) }

// Self returns the node's signed record, with the address by which other nodes reach it.
// Before Start it has no address.
func (n *Node) Self() *enode.Node { return n.record.Node() }

// ID returns the node's ID.
func (n *Node) ID() enode.ID { return n.id }

package dial

import (
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/peers"
)

// Config is the configuration of the actors.
type Config struct {
	Runtime supervise.Runtime
	Table   *peers.Table
	// Static are the nodes to keep a link to from the start. A node with several addresses is
	// listed once for each.
	Static []*enode.Node
	// Candidates are nodes to dial while there is room. The iterator actor closes the iterator.
	// Nil: there are none.
	Candidates enode.Iterator
	// MaxActive limits the dials in progress, and PerSecond the dials that begin in a second.
	MaxActive, PerSecond int
	NetRestrict          []netip.Prefix // see netaddr.Allowed
	// CallsNATs says that nodes behind NATs can be reached without a TCP endpoint.
	CallsNATs bool

	Setup    *actor.PID // receives setup.StartDial and setup.CancelDial
	Iterator *actor.PID // the actor of IteratorProps; used if Candidates is set
	// Discovery receives discovery.Request. Nil: there is none.
	Discovery *actor.PID
	// Resolves says that Discovery can find the newest record of a node (discovery.Resolve).
	Resolves bool

	// Rand returns numbers in [0, 1).
	Rand   func() float64
	Logger *slog.Logger
}

// Dialer is the handle of the actors. It has the state that outlives a crash of them.
type Dialer struct {
	Config
	plan    *plan
	reading atomic.Bool // a goroutine reads Candidates
}

// New makes the handle. It starts nothing.
func New(c Config) *Dialer {
	d := &Dialer{Config: c, plan: newPlan(c.MaxActive, c.PerSecond, c.Rand)}
	d.plan.refuse, d.plan.networks, d.plan.callsNATs = c.Table.Check, c.NetRestrict, c.CallsNATs
	now := c.Runtime.Clock.Now()
	for _, n := range c.Static {
		d.plan.add(n, false, now)
	}
	return d
}

// Props makes the dialer.
func (d *Dialer) Props() *actor.Props {
	return d.Runtime.Props(func() actor.Actor { return &dialer{Dialer: d} })
}

// State returns the dialer's counters. It is safe from any goroutine.
func (d *Dialer) State() State { return d.plan.stats.snapshot() }

// looks reports whether there is a source of candidates.
func (d *Dialer) looks() bool { return d.Candidates != nil || d.Discovery != nil }

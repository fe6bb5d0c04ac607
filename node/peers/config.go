package peers

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/wire"
)

// Config is the configuration of the actor.
type Config struct {
	Runtime supervise.Runtime
	Table   *Table
	Ledger  *bans.Ledger
	// Offer returns what the node offers now.
	Offer func() *offer.Offer
	Pool  *actors.Pool // limits the bytes that all links hold together
	Feed  *actors.Feed

	Dialer *actor.PID // receives LinkUp, LinkDown and SetupEnded
	Bans   *actor.PID // receives bans.Changed

	// The actor calls Added for each new link and Dropped for each ended link. A goroutine
	// calls Refused for each refused session. They must not block.
	Added   func(*Member)
	Dropped func(*Member, *actors.Cause)
	Refused func(r Refused)
	// ServiceUnused is called when no link runs a removed protocol any more.
	ServiceUnused func(service *actor.PID)

	// Rand returns numbers in [0, 1).
	Rand   func() float64
	Logger *slog.Logger
}

// shared is the state besides the table that outlives a crash of the actor.
type shared struct {
	Config
	links    *actors.Links
	rotation rotation
	timer    supervise.Timer
	draining atomic.Bool
	refusing atomic.Int32 // goroutines that disconnect a refused remote
	by       time.Time    // when all sockets must be closed, see Leave; zero: the node does not stop
	// decided has the decision on each session, by the ID of the handshake's PID, until its
	// SetupEnded: nil for a session that became a link.
	decided map[string]error
}

// Props makes the actor. A crash replaces it while its links run.
func Props(c Config) *actor.Props {
	s := &shared{Config: c, decided: map[string]error{}}
	s.links = actors.NewLinks(actors.Common{
		System: c.Runtime.System, Pool: c.Pool, Journal: c.Runtime.Journal, Clock: c.Runtime.Clock,
		Watch: c.Runtime.Watch, Feed: c.Feed, Dispatcher: c.Runtime.Dispatcher,
		Standing: func(remote [64]byte) (static, trusted bool) {
			k := c.Table.KnownOf(enode.ID(wire.NodeID(remote)))
			return k.Static, k.Trusted
		},
	})
	return c.Runtime.Kept(supervise.EndFailed{Journal: c.Runtime.Journal}, func() actor.Actor { return &owner{s} })
}

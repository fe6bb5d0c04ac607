package setup

import (
	"crypto/ecdsa"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
)

// Config is the configuration of the actors.
type Config struct {
	Runtime supervise.Runtime
	Key     *ecdsa.PrivateKey
	// MaxPending limits the inbound handshakes in progress. The dialer limits the dials.
	MaxPending  int
	NetRestrict []netip.Prefix // see netaddr.Allowed

	Intake *Intake
	Table  *peers.Table
	Ledger *bans.Ledger
	// Offer returns what the node offers now.
	Offer     func() *offer.Offer
	Connector *Connector

	Peers *actor.PID // receives Establish and SetupEnded
	// Puncher receives punch.Reach for nodes that can't be dialed. Nil: no holes are punched.
	Puncher *actor.PID

	// Announced returns true once for an address from which a connection was announced over
	// discovery. It may be nil.
	Announced func(netip.Addr) bool
	// CameIn is called with the address of each inbound connection.
	CameIn func(netip.Addr)
	// Failed is called for each connection that does not become a link. It must not block.
	Failed func(Failure)

	// Rand is the source of the keys and nonces of handshakes. Many goroutines read it at once.
	Rand   io.Reader
	Logger *slog.Logger
}

// Failure is a connection that did not become a link.
type Failure struct {
	ID      enode.ID       // zero if the remote did not prove its identity
	Remote  netip.AddrPort // invalid if there was no address to dial
	Inbound bool
	Err     error
}

// Pool is the handle of the pool actor.
type Pool struct {
	Config
	counters counters
}

// New makes the handle. It starts nothing.
func New(c Config) *Pool { return &Pool{Config: c} }

// Props makes the pool actor.
func (p *Pool) Props() *actor.Props {
	return p.Runtime.Props(func() actor.Actor { return newPool(p) },
		actor.WithSupervisor(supervise.EndFailed{Journal: p.Runtime.Journal}))
}

// State is the number of connections being set up, and the counters since the node was made.
// The counters only grow.
type State struct {
	Inbound, Outbound, Waiting int // handshakes in progress, and connections without a slot

	Accepted    uint64 // inbound connections
	Dialed      uint64
	Refused     uint64 // connections closed before any handshake
	Failed      uint64 // handshakes that ended without a session
	Established uint64 // sessions passed to peers
	Punched     uint64 // of Established, those made by hole punching
}

type counters struct {
	inbound, outbound, waiting                              atomic.Int64
	accepted, dialed, refused, failed, established, punched atomic.Uint64
}

// State returns the counters.
func (p *Pool) State() State {
	c := &p.counters
	return State{
		Inbound: int(c.inbound.Load()), Outbound: int(c.outbound.Load()), Waiting: int(c.waiting.Load()),
		Accepted: c.accepted.Load(), Dialed: c.dialed.Load(), Refused: c.refused.Load(),
		Failed: c.failed.Load(), Established: c.established.Load(), Punched: c.punched.Load(),
	}
}

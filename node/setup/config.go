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

// Config is what the actors need.
type Config struct {
	Runtime supervise.Runtime
	Key     *ecdsa.PrivateKey
	// MaxPending bounds the inbound handshakes under way. The dialer bounds the dials.
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
	// CameIn is called for each address that connects.
	CameIn func(netip.Addr)
	// Failed is called for each connection that becomes no link. It must not block.
	Failed func(Failure)

	// Rand feeds the keys and nonces of handshakes, from many goroutines at once.
	Rand   io.Reader
	Logger *slog.Logger
}

// Failure is a connection that became no link.
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

// State is what happens to connections, and what has happened since the node was made. The
// counters only grow.
type State struct {
	Inbound, Outbound, Waiting int // handshakes under way, and connections without a slot

	Accepted    uint64 // connections that came in
	Dialed      uint64
	Refused     uint64 // connections closed before any handshake
	Failed      uint64 // handshakes that ended without a session
	Established uint64 // sessions given to peers
	Punched     uint64 // of Established, through a hole in NATs
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

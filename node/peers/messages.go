package peers

import (
	"net"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// From setup.

// Establish requests a link for a finished session. A handshake sends it after Table.HandOver. The
// connection belongs to the peers actor from then on.
type Establish struct {
	By      *actor.PID // the handshake that called Table.Admit
	ID      enode.ID
	Conn    net.Conn
	Session *wire.Session
	Offer   *offer.Offer // from which our Hello was made
	Inbound bool
	Static  bool // a dial that is due to the node being static
	Punched bool // the connection came through a hole in NATs
}

// SetupEnded reports that a handshake is over, successful or not. The peers actor forwards it
// to the dialer if it was a dial. Err is then nil only if the session became a link.
type SetupEnded struct {
	supervise.Late
	By      *actor.PID
	ID      enode.ID   // zero if the remote never proved its identity
	Addr    netip.Addr // of the remote; invalid if there was no connection
	Inbound bool
	Ticket  uint64 // of the dial; 0 for inbound connections
	Punched bool   // the connection came through a hole in NATs
	Err     error  // nil: an Establish was sent
	Stalled bool   // this node did not run for a time, which may be why the handshake failed
}

// From Node's methods and the root.

// Drop ends the link to a node, if there is one.
type Drop struct {
	supervise.Late
	ID enode.ID
}

// DropProtocol ends the links that run nothing that the node still offers, after a protocol
// was removed. Once no link runs the protocol, Config.ServiceUnused is called.
type DropProtocol struct {
	supervise.Late
	Mounted *protocols.Mounted
}

// DropBanned ends the links to nodes that are banned.
type DropBanned struct{ supervise.Late }

// Leave ends all links as 'client quitting', because the node stops. The table is closed before, so
// that no links follow.
type Leave struct {
	supervise.Late
	// By is when the last socket of a link, or of a session that is refused meanwhile, must be closed,
	// by time.Now. Zero: each link has two seconds.
	By time.Time
}

// Drain ends all links as 'client quitting', and then the actor.
type Drain struct{ supervise.Late }

// To the dialer.

// LinkUp reports a new link.
type LinkUp struct {
	supervise.Late
	ID      enode.ID
	Inbound bool
}

// LinkDown reports that a link has ended.
type LinkDown struct {
	supervise.Late
	Remote
	Lived time.Duration
	Cause *actors.Cause
	// Excused says that this node did not run for a time, which may be why the link ended: the
	// remote may have hung up meanwhile. Again is the remote if this node dialed it.
	Excused bool
	Again   *enode.Node
}

// From the actor to itself.

// rotationDue is the timer's message: check whether an eviction is due.
type rotationDue struct{ supervise.Late }

// disconnected reports that a goroutine has disconnected a refused remote.
type disconnected struct{ supervise.Late }

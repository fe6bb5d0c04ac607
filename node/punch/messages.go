package punch

import (
	"net"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// This file is the whole vocabulary of the actors, by sender.

// late is embedded in messages that may find their receiver gone. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// To the puncher, from who wants a connection.

// Reach asks for a TCP connection to a node that can't be dialed. To gets one *[Reached],
// whatever happens.
type Reach struct {
	late
	Node *enode.Node
	To   *actor.PID
}

// Reached answers [Reach]. Conn belongs to the receiver, who is the RLPx initiator on it,
// whichever way the connection came; it is nil with an Err, which is one of this package's.
type Reached struct {
	late
	ID   enode.ID
	Conn net.Conn
	Err  error
}

// From the announcer.

// Mapped says whether others reach the node without our help: the operator said so, or a
// router maps its ports.
type Mapped struct {
	late
	Open bool
}

// Renewed says that the node's record is another than before.
type Renewed struct{ late }

// To the announcer, by way of Config.Changed.

// State is what the puncher knows.
type State struct {
	Belief NAT `json:"nat"`
	// Observed is our UDP endpoint, and TCP our TCP endpoint, as neighbours see them; not
	// valid while unknown.
	Observed netip.AddrPort `json:"udp"`
	TCP      netip.AddrPort `json:"tcp"`
	// Relays are the neighbours that are told where we are.
	Relays []enode.ID `json:"relays"`
	// Calls counts our calls by how they ended, see the Ended… constants, and Rung those that we were rung
	// for. Relayed counts those of others that went through us, and Refused the messages over a limit.
	Calls   map[string]uint64 `json:"calls"`
	Rung    map[string]uint64 `json:"rung"`
	Relayed uint64            `json:"relayed"`
	Refused uint64            `json:"refused"`
}

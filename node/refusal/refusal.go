package refusal

import (
	"errors"

	"github.com/troupe-p2p/troupe/wire"
)

// refusal is a reason to refuse or end a connection: the text for the log and the Disconnect
// reason for the remote.
type refusal struct {
	text   string
	reason wire.DiscReason
}

func (r *refusal) Error() string { return r.text }

// Unwrap returns the Disconnect reason, for errors.Is and wire.ReasonOf.
func (r *refusal) Unwrap() error { return r.reason }

// The refusals of a connection whose remote is known. The remote is sent the reason.
var (
	// ErrSelf: the remote has our own identity.
	ErrSelf error = &refusal{"connected to self", wire.DiscSelf}
	// ErrAlreadyConnected: there is a link to this node. It is never replaced.
	ErrAlreadyConnected error = &refusal{"already connected", wire.DiscAlreadyConnected}
	// ErrTooManyPeers: the limit is reached and the remote is not trusted.
	ErrTooManyPeers error = &refusal{"too many peers", wire.DiscTooManyPeers}
	// ErrInboundFull: all places for inbound peers are taken. The other places are for nodes
	// that we dial.
	ErrInboundFull error = &refusal{"too many inbound peers", wire.DiscTooManyPeers}
	// ErrCrowdedHost and ErrCrowdedNetwork: the remote's address, or its network, has its full
	// share of the peers already.
	ErrCrowdedHost    error = &refusal{"too many peers at this address", wire.DiscTooManyPeers}
	ErrCrowdedNetwork error = &refusal{"too many peers in this network", wire.DiscTooManyPeers}
	// ErrBanned: the node or its address is banned. See [Banned].
	ErrBanned error = &refusal{"banned", wire.DiscUselessPeer}
	// ErrMadeRoom: the node was full for a long time, and evicted this peer for others.
	ErrMadeRoom error = &refusal{"made room for others", wire.DiscTooManyPeers}
	// ErrUselessPeer: the two nodes have no capability in common.
	ErrUselessPeer error = &refusal{"no capability in common", wire.DiscUselessPeer}
	// ErrProtocolRemoved: the link has no protocol left that the node offers, or a protocol
	// that it was about to run was removed while it was set up.
	ErrProtocolRemoved error = &refusal{"protocol was removed", wire.DiscUselessPeer}
	// ErrOwnDialFirst: both nodes dialed each other at once. The connection dialed by the node
	// with the lower ID stays, which is our dial.
	ErrOwnDialFirst error = &refusal{"both nodes dialed, and our ID is lower", wire.DiscAlreadyConnected}
	// ErrTheirDialFirst: both nodes dialed each other at once, and the remote has the lower
	// node ID. The inbound connection replaces our dial.
	ErrTheirDialFirst error = &refusal{"both nodes dialed, and the remote's ID is lower", wire.DiscAlreadyConnected}
	// ErrStopping: the node is stopping.
	ErrStopping error = &refusal{"node is stopping", wire.DiscQuitting}
)

// The refusals of a connection or dial before any handshake.
var (
	// ErrNotAllowed: the address is outside the allowed networks (Config.NetRestrict).
	ErrNotAllowed = errors.New("address not in the allowed networks")
	// ErrThrottled: within the last 30 s, the address has connected before, or 16 other
	// addresses of its network have.
	ErrThrottled = errors.New("too many attempts from this address or network")
	// ErrObserved: a neighbour sent a STUN request instead of a handshake, and got an answer.
	// It is not a failure.
	ErrObserved = errors.New("answered a neighbour's STUN request")
	// ErrPendingFull: no slot for another handshake became free in time.
	ErrPendingFull = errors.New("too many handshakes in progress")
	// ErrAlreadyDialing: a dial to this node is in progress.
	ErrAlreadyDialing = errors.New("already dialing")
	// ErrPendingInbound: an inbound connection from this node is being set up.
	ErrPendingInbound = errors.New("inbound connection from this node is being set up")
	// ErrNoAddress: the node's record or URL has no address with a TCP port.
	ErrNoAddress = errors.New("node has no TCP address")
	// ErrCancelled: the node was removed while it was dialed.
	ErrCancelled = errors.New("dial cancelled")
	// ErrSetupTimeout: connecting and both handshakes took too long in total.
	ErrSetupTimeout = errors.New("connection not set up in time")
)

// Unreachable is the error of a dial that made no connection. Err is what failed.
type Unreachable struct{ Err error }

func (e *Unreachable) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Unreachable) Unwrap() error { return e.Err }

// Banned is an [ErrBanned] with the ban's reason.
type Banned struct{ Reason string }

func (e *Banned) Error() string { return "banned: " + e.Reason }

// Unwrap returns [ErrBanned].
func (e *Banned) Unwrap() error { return ErrBanned }

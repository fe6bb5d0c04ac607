package refusal

import (
	"errors"

	"github.com/troupe-p2p/troupe/wire"
)

// refusal is a reason not to have a connection: the words for the log and the Disconnect
// reason for the remote.
type refusal struct {
	text   string
	reason wire.DiscReason
}

func (r *refusal) Error() string { return r.text }

// Unwrap lets errors.Is find the reason, and wire.ReasonOf the answer.
func (r *refusal) Unwrap() error { return r.reason }

// The refusals of a connection whose remote is known. The remote is sent the reason.
var (
	// ErrSelf: the remote has our own identity.
	ErrSelf error = &refusal{"connected to self", wire.DiscSelf}
	// ErrAlreadyConnected: there is a link to this node. It is never replaced.
	ErrAlreadyConnected error = &refusal{"already connected", wire.DiscAlreadyConnected}
	// ErrTooManyPeers: the limit is reached and the remote is not trusted.
	ErrTooManyPeers error = &refusal{"too many peers", wire.DiscTooManyPeers}
	// ErrInboundFull: inbound peers have all the places that they may have. The rest is for
	// nodes that we dial.
	ErrInboundFull error = &refusal{"too many inbound peers", wire.DiscTooManyPeers}
	// ErrCrowdedHost and ErrCrowdedNetwork: the remote's address, or its network, has its
	// share of the peers.
	ErrCrowdedHost    error = &refusal{"too many peers at this address", wire.DiscTooManyPeers}
	ErrCrowdedNetwork error = &refusal{"too many peers in this network", wire.DiscTooManyPeers}
	// ErrBanned: the node or its address is banned. See [Banned].
	ErrBanned error = &refusal{"banned", wire.DiscUselessPeer}
	// ErrMadeRoom: the node was full for a long time, and evicted this peer for others.
	ErrMadeRoom error = &refusal{"made room for others", wire.DiscTooManyPeers}
	// ErrUselessPeer: the two nodes have no capability in common.
	ErrUselessPeer error = &refusal{"no capability in common", wire.DiscUselessPeer}
	// ErrProtocolRemoved: the link has no protocol left that the node offers, or the
	// protocols it was about to run were removed while it was set up.
	ErrProtocolRemoved error = &refusal{"protocol was removed", wire.DiscUselessPeer}
	// ErrOwnDialFirst: both nodes dialed each other at once. The connection dialed by the
	// lower node ID stays, which is ours.
	ErrOwnDialFirst error = &refusal{"both nodes dialed, and ours is the lower ID", wire.DiscAlreadyConnected}
	// ErrTheirDialFirst: both nodes dialed each other at once, and the remote has the lower
	// node ID. Our dial gives way to the inbound connection.
	ErrTheirDialFirst error = &refusal{"both nodes dialed, and theirs is the lower ID", wire.DiscAlreadyConnected}
	// ErrStopping: the node is stopping.
	ErrStopping error = &refusal{"node is stopping", wire.DiscQuitting}
)

// The refusals of a connection or dial before any handshake.
var (
	// ErrNotAllowed: the address is outside the allowed networks (Config.NetRestrict).
	ErrNotAllowed = errors.New("address not in the allowed networks")
	// ErrThrottled: the address connected less than 30 s ago, or 16 others of its network did.
	ErrThrottled = errors.New("too many attempts from this address or network")
	// ErrObserved: a neighbour asked, in place of a handshake, under which endpoint we see it,
	// and was answered. It is no failure.
	ErrObserved = errors.New("a neighbour asked what we see of it")
	// ErrPendingFull: no slot for another handshake became free in time.
	ErrPendingFull = errors.New("too many handshakes under way")
	// ErrAlreadyDialing: a dial to this node is under way.
	ErrAlreadyDialing = errors.New("already dialing")
	// ErrPendingInbound: a connection from this node is being set up.
	ErrPendingInbound = errors.New("an inbound connection of this node is being set up")
	// ErrNoAddress: the node's record or URL has no address with a TCP port.
	ErrNoAddress = errors.New("node has no TCP address")
	// ErrCancelled: the node was removed while it was dialed.
	ErrCancelled = errors.New("dial cancelled")
	// ErrSetupTimeout: connecting and both handshakes took too long in total.
	ErrSetupTimeout = errors.New("connection not set up in time")
)

// Unreachable is the end of a dial without a connection. Err says what failed.
type Unreachable struct{ Err error }

func (e *Unreachable) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Unreachable) Unwrap() error { return e.Err }

// Banned is an [ErrBanned] with the ban's reason.
type Banned struct{ Reason string }

func (e *Banned) Error() string { return "banned: " + e.Reason }

// Unwrap makes it an [ErrBanned].
func (e *Banned) Unwrap() error { return ErrBanned }

package node

import (
	"errors"

	"github.com/troupe-p2p/troupe/wire"
)

// refusal is a reason not to have a connection, with the words for the log and the
// reason that the remote is told.
type refusal struct {
	text   string
	reason wire.DiscReason
}

func (r *refusal) Error() string { return r.text }

// Unwrap lets errors.Is find the reason, and wire.ReasonOf the answer.
func (r *refusal) Unwrap() error { return r.reason }

// The refusals of a connection whose remote is known: it is told the reason.
var (
	// ErrSelf: the remote has our own identity.
	ErrSelf error = &refusal{"connected to self", wire.DiscSelf}
	// ErrAlreadyConnected: there is a link to this node. It is never replaced.
	ErrAlreadyConnected error = &refusal{"already connected", wire.DiscAlreadyConnected}
	// ErrTooManyPeers: the limit is reached and the remote isn't trusted.
	ErrTooManyPeers error = &refusal{"too many peers", wire.DiscTooManyPeers}
	// ErrInboundFull: those who dialed us have all the slots that they may have; the rest is
	// for nodes that we dial.
	ErrInboundFull error = &refusal{"too many inbound peers", wire.DiscTooManyPeers}
	// ErrCrowdedHost and ErrCrowdedNetwork: the address, or the network that it is in, has
	// its share of the peers.
	ErrCrowdedHost    error = &refusal{"too many peers at this address", wire.DiscTooManyPeers}
	ErrCrowdedNetwork error = &refusal{"too many peers in this network", wire.DiscTooManyPeers}
	// ErrBanned: the node or its address is banned, see [Node.Bans].
	ErrBanned error = &refusal{"banned", wire.DiscUselessPeer}
	// ErrMadeRoom: the node was full for long, and this peer had to make room for others.
	ErrMadeRoom error = &refusal{"made room for others", wire.DiscTooManyPeers}
	// ErrUselessPeer: no capability in common.
	ErrUselessPeer error = &refusal{"no capability in common", wire.DiscUselessPeer}
	// ErrProtocolRemoved: the link has no protocol left that the node offers, or what it was
	// going to run was removed while it was set up; see [Node.RemoveProtocol].
	ErrProtocolRemoved error = &refusal{"protocol was removed", wire.DiscUselessPeer}
	// ErrOwnDialFirst: both nodes dialed each other at once. Of the two connections the
	// one dialed by the lower ID stays, which is ours.
	ErrOwnDialFirst error = &refusal{"both nodes dialed, and ours is the lower ID", wire.DiscAlreadyConnected}
	// ErrTheirDialFirst is the other side of ErrOwnDialFirst: our dial makes way for the
	// inbound connection.
	ErrTheirDialFirst error = &refusal{"both nodes dialed, and theirs is the lower ID", wire.DiscAlreadyConnected}
	// ErrStopping: the node is being stopped.
	ErrStopping error = &refusal{"node is stopping", wire.DiscQuitting}
)

// The refusals of a connection or dial before anything was said on it.
var (
	// ErrNotAllowed: the address is outside the networks of Config.NetRestrict.
	ErrNotAllowed = errors.New("address not in the allowed networks")
	// ErrThrottled: the address was here less than 30 s ago, or 16 others of its network were.
	ErrThrottled = errors.New("too many attempts from this address or network")
	// ErrObserved: a neighbour asked, in place of a handshake, under which endpoint we see it,
	// and was told. No [SetupFailed] is made of it.
	ErrObserved = errors.New("a neighbour asked what we see of it")
	// ErrPendingFull: no slot for another handshake became free in time.
	ErrPendingFull = errors.New("too many handshakes under way")
	// ErrAlreadyDialing: a dial to this node is under way.
	ErrAlreadyDialing = errors.New("already dialing")
	// ErrPendingInbound: a connection from this node is being set up.
	ErrPendingInbound = errors.New("an inbound connection of this node is being set up")
	// ErrNoAddress: the node's record or URL has no address with a TCP port to dial.
	ErrNoAddress = errors.New("node has no TCP address")
	// ErrCancelled: the dial was called off, because the node was removed.
	ErrCancelled = errors.New("dial cancelled")
	// ErrSetupTimeout: connecting and both handshakes took too long altogether.
	ErrSetupTimeout = errors.New("connection not set up in time")
)

package node

import "github.com/troupe-p2p/troupe/node/refusal"

// This file has the public names of what lives in packages below node, so that programs
// need to import node alone.

// The reasons not to have a connection, see package refusal. [SetupFailed] and the
// [Cause] of a [PeerDropped] have them.
var (
	ErrSelf             = refusal.ErrSelf
	ErrAlreadyConnected = refusal.ErrAlreadyConnected
	ErrTooManyPeers     = refusal.ErrTooManyPeers
	ErrInboundFull      = refusal.ErrInboundFull
	ErrCrowdedHost      = refusal.ErrCrowdedHost
	ErrCrowdedNetwork   = refusal.ErrCrowdedNetwork
	ErrBanned           = refusal.ErrBanned
	ErrMadeRoom         = refusal.ErrMadeRoom
	ErrUselessPeer      = refusal.ErrUselessPeer
	ErrProtocolRemoved  = refusal.ErrProtocolRemoved
	ErrOwnDialFirst     = refusal.ErrOwnDialFirst
	ErrTheirDialFirst   = refusal.ErrTheirDialFirst
	ErrStopping         = refusal.ErrStopping
	ErrNotAllowed       = refusal.ErrNotAllowed
	ErrThrottled        = refusal.ErrThrottled
	ErrObserved         = refusal.ErrObserved
	ErrPendingFull      = refusal.ErrPendingFull
	ErrAlreadyDialing   = refusal.ErrAlreadyDialing
	ErrPendingInbound   = refusal.ErrPendingInbound
	ErrNoAddress        = refusal.ErrNoAddress
	ErrCancelled        = refusal.ErrCancelled
	ErrSetupTimeout     = refusal.ErrSetupTimeout
)

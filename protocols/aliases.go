package protocols

import (
	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// DiscReason is the reason for the end of a link that the remote receives (RLPx, "Disconnect").
type DiscReason = wire.DiscReason

// The reasons of the specification.
const (
	DiscRequested           = wire.DiscRequested
	DiscNetworkError        = wire.DiscNetworkError
	DiscProtocolError       = wire.DiscProtocolError
	DiscUselessPeer         = wire.DiscUselessPeer
	DiscTooManyPeers        = wire.DiscTooManyPeers
	DiscAlreadyConnected    = wire.DiscAlreadyConnected
	DiscIncompatibleVersion = wire.DiscIncompatibleVersion
	DiscInvalidIdentity     = wire.DiscInvalidIdentity
	DiscQuitting            = wire.DiscQuitting
	DiscUnexpectedIdentity  = wire.DiscUnexpectedIdentity
	DiscSelf                = wire.DiscSelf
	DiscReadTimeout         = wire.DiscReadTimeout
	DiscSubprotocolError    = wire.DiscSubprotocolError
)

// Cause is why a link ended: side, reason, protocol, last message code, error,
// and the stack of a crash.
type Cause = actors.Cause

// Side is the party that ended a link.
type Side = actors.Side

// The sides of a Cause.
const (
	Local   = actors.Local
	Remote  = actors.Remote
	Network = actors.Network
)

// Restart decides when a protocol's actor is started again, in the terms of Erlang/OTP.
type Restart = supervise.Restart

// The kinds of restart.
const (
	Transient = supervise.Transient // after a failure, not after it stopped by itself
	Permanent = supervise.Permanent // always
	Temporary = supervise.Temporary // never
)

// Intensity is how many restarts are allowed within a time. The zero value means 5 a minute; a
// negative number means no limit.
type Intensity = supervise.Intensity

// NotReadingError is the Err of a Cause if the remote had stopped reading when the link ended.
type NotReadingError = actors.NotReadingError

// ErrOutboxFull is returned by a Send for which the outbox has no room. Nothing was queued, and
// one *Drained follows.
var ErrOutboxFull = actors.ErrOutboxFull

// ErrLinkDown is returned by a Send on a link that has ended.
var ErrLinkDown = actors.ErrLinkDown

// ErrSeqActive is returned by SendSeq while another sequence is being sent.
var ErrSeqActive = actors.ErrSeqActive

// ErrMessageTooLarge and ErrFrameTooLarge are returned by a Send whose message no frame can
// carry: at most 16 MiB - 1, before and after compression. Nothing is queued.
var (
	ErrMessageTooLarge = wire.ErrMessageTooLarge
	ErrFrameTooLarge   = wire.ErrFrameTooLarge
)

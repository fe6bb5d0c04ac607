package protocols

import (
	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// DiscReason tells the remote why a link ends (RLPx, "Disconnect").
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

// Side tells who ended a link.
type Side = actors.Side

// The sides of a Cause.
const (
	Local   = actors.Local
	Remote  = actors.Remote
	Network = actors.Network
)

// Restart says when a protocol's actor is started again, in Erlang/OTP's words.
type Restart = supervise.Restart

// The kinds of restart.
const (
	Transient = supervise.Transient // after a failure, not after an end of its own
	Permanent = supervise.Permanent // always
	Temporary = supervise.Temporary // never
)

// Intensity is how many restarts within how long are put up with. The zero value
// means 5 a minute; a negative number, no limit.
type Intensity = supervise.Intensity

// ErrOutboxFull refuses a Send because the outbox holds as much as it may. It has
// queued nothing, and one *Drained follows.
var ErrOutboxFull = actors.ErrOutboxFull

// ErrLinkDown refuses a Send on a link that has ended.
var ErrLinkDown = actors.ErrLinkDown

// ErrSeqActive refuses a second sequence while one is being pulled.
var ErrSeqActive = actors.ErrSeqActive

// ErrMessageTooLarge and ErrFrameTooLarge refuse a Send whose message no frame can
// carry: at most 16 MiB - 1, before and after compression. Nothing is queued.
var (
	ErrMessageTooLarge = wire.ErrMessageTooLarge
	ErrFrameTooLarge   = wire.ErrFrameTooLarge
)

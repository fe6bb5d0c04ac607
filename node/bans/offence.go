package bans

import (
	"errors"
	"os"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// Offence is a kind of bad behaviour of a remote.
type Offence uint8

const (
	Harmless Offence = iota
	// breach: the remote sent something that the protocol forbids.
	breach
	// provoked: a protocol actor crashed repeatedly on the remote's messages.
	provoked
	// useless: no protocol in common, or a different chain.
	useless
	// notReading: the remote read nothing, or asked for more than it read.
	notReading
	// silent: the remote neither answered nor closed.
	silent
	// badAuth: the connection began without an auth for our key. A remote that has our record
	// from before a change of key sends such an auth in good faith.
	badAuth
)

func (o Offence) String() string {
	return [...]string{"nothing", "breach of protocol", "crashes provoked", "useless", "reads nothing", "silent", "no valid handshake"}[o]
}

// points returns how many points an offence counts. A node with banAt points is banned.
func (o Offence) points() float64 {
	return [...]float64{Harmless: 0, breach: 40, provoked: 40, useless: 20, notReading: 15, silent: 8, badAuth: 8}[o]
}

// OfLink returns the offence that ended a link, [Harmless] if there was none.
func OfLink(c *actors.Cause) Offence {
	switch {
	case c == nil || c.Side == actors.Remote || errors.Is(c.Err, refusal.ErrProtocolRemoved):
		return Harmless
	case c.Stack != nil:
		return provoked
	case errors.Is(c.Err, actors.ErrWriteTimeout):
		return notReading
	case errors.Is(c.Err, actors.ErrPingTimeout), errors.Is(c.Err, actors.ErrSlowFrame):
		return silent
	case c.Side == actors.Network:
		return Harmless
	}
	switch c.Reason {
	case wire.DiscProtocolError, wire.DiscSubprotocolError:
		// A link also ends with these two reasons if our own protocol actor returned or was
		// too slow, which is not the remote's fault.
		if errors.Is(c.Err, actors.ErrReturned) || errors.Is(c.Err, actors.ErrStalled) || errors.Is(c.Err, actors.ErrMemory) {
			return Harmless
		}
		return breach
	case wire.DiscUselessPeer, wire.DiscIncompatibleVersion:
		return useless
	}
	return Harmless
}

// OfSetup returns the offence that ended an inbound handshake, [Harmless] if there was none.
func OfSetup(err error) Offence {
	switch {
	case err == nil:
		return Harmless
	case errors.Is(err, refusal.ErrUselessPeer):
		return useless
	case errors.Is(err, wire.ErrBadAuth):
		return badAuth
	case errors.Is(err, wire.ErrNoHello), errors.Is(err, wire.ErrBadHello), errors.Is(err, wire.ErrHelloTooLarge),
		errors.Is(err, wire.ErrInvalidIdentity), errors.Is(err, wire.ErrUnexpectedIdentity):
		return breach
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, refusal.ErrSetupTimeout):
		return silent
	}
	return Harmless
}

package wire

import (
	"errors"
	"fmt"
)

// DiscReason is the reason for ending a link, as a Disconnect message carries it (rlpx.md, "Disconnect").
// It implements error, so a reason alone can be the cause of a link's end.
type DiscReason uint8

// The reasons of the specification.
const (
	DiscRequested           DiscReason = 0x00
	DiscNetworkError        DiscReason = 0x01
	DiscProtocolError       DiscReason = 0x02
	DiscUselessPeer         DiscReason = 0x03
	DiscTooManyPeers        DiscReason = 0x04
	DiscAlreadyConnected    DiscReason = 0x05
	DiscIncompatibleVersion DiscReason = 0x06
	DiscInvalidIdentity     DiscReason = 0x07
	DiscQuitting            DiscReason = 0x08
	DiscUnexpectedIdentity  DiscReason = 0x09
	DiscSelf                DiscReason = 0x0a
	DiscReadTimeout         DiscReason = 0x0b
	DiscSubprotocolError    DiscReason = 0x10
)

var reasonNames = [...]string{
	DiscRequested:           "disconnect requested",
	DiscNetworkError:        "network error",
	DiscProtocolError:       "breach of protocol",
	DiscUselessPeer:         "useless peer",
	DiscTooManyPeers:        "too many peers",
	DiscAlreadyConnected:    "already connected",
	DiscIncompatibleVersion: "incompatible p2p protocol version",
	DiscInvalidIdentity:     "invalid node identity",
	DiscQuitting:            "client quitting",
	DiscUnexpectedIdentity:  "unexpected identity",
	DiscSelf:                "connected to self",
	DiscReadTimeout:         "ping timeout",
	DiscSubprotocolError:    "subprotocol error",
}

// String returns the reason's name in lower case, for logs. For a reason that the specification doesn't define it
// returns the number.
func (r DiscReason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return fmt.Sprintf("unknown disconnect reason %#02x", uint8(r))
}

// Error returns the same text as String.
func (r DiscReason) Error() string { return r.String() }

// RemoteDisconnect is the error of a link or handshake that the remote has ended with a Disconnect message.
type RemoteDisconnect struct{ Reason DiscReason }

// Error returns a text that contains the remote's reason.
func (e *RemoteDisconnect) Error() string { return "disconnected by the remote: " + e.Reason.String() }

// breach is an error that the remote caused, with the reason for the Disconnect that answers it.
type breach struct {
	reason DiscReason
	err    error
}

func (b *breach) Error() string   { return b.err.Error() }
func (b *breach) Unwrap() []error { return []error{b.err, b.reason} }

// breachf makes an error that is answered with DiscProtocolError.
func breachf(format string, args ...any) error {
	return &breach{DiscProtocolError, fmt.Errorf(format, args...)}
}

// ReasonOf returns the reason with which to end a link because of err. Every error of this package that bytes from the
// remote have caused has one. ok is false for other errors, in particular for those of the connection and for a
// RemoteDisconnect, which needs no answer.
func ReasonOf(err error) (r DiscReason, ok bool) {
	ok = errors.As(err, &r)
	return r, ok
}

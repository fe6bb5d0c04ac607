package wire

import (
	"errors"
	"fmt"
)

// DiscReason says why a link is ended, as carried by a Disconnect message (rlpx.md, "Disconnect").
// It is an error, so that it can be a cause in its own right.
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

// String names the reason in lower case, for logs; a reason that the specification doesn't have is given by number.
func (r DiscReason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return fmt.Sprintf("unknown disconnect reason %#02x", uint8(r))
}

// Error is String.
func (r DiscReason) Error() string { return r.String() }

// RemoteDisconnect is the error of a link or handshake that the remote ended with a Disconnect message.
type RemoteDisconnect struct{ Reason DiscReason }

// Error names the remote's reason.
func (e *RemoteDisconnect) Error() string { return "disconnected by the remote: " + e.Reason.String() }

// breach is an error that the remote caused, together with the reason it deserves to hear.
type breach struct {
	reason DiscReason
	err    error
}

func (b *breach) Error() string   { return b.err.Error() }
func (b *breach) Unwrap() []error { return []error{b.err, b.reason} }

// breachf makes an error for which the remote is answered with a breach of protocol.
func breachf(format string, args ...any) error {
	return &breach{DiscProtocolError, fmt.Errorf(format, args...)}
}

// ReasonOf tells with which reason a link should be ended for err: found in every error of this package that was
// caused by what the remote sent. It reports false for others, in particular for those of the connection and for a
// RemoteDisconnect, to which there is nothing to answer.
func ReasonOf(err error) (DiscReason, bool) {
	var r DiscReason
	ok := errors.As(err, &r)
	return r, ok
}

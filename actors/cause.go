package actors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/troupe-p2p/troupe/wire"
)

// Side is the party that ended a link.
type Side uint8

// The sides of a link's end. Network is an end that neither node decided: a reset, a timeout of
// the transport, an end of stream.
const (
	Local Side = iota + 1
	Remote
	Network
)

func (s Side) String() string {
	switch s {
	case Local:
		return "local"
	case Remote:
		return "remote"
	case Network:
		return "network"
	}
	return "unknown"
}

// Cause is why a link ended. A link has exactly one cause, the first one found; every caller and
// every actor gets the same.
type Cause struct {
	Side   Side
	Reason wire.DiscReason

	// Protocol is the protocol concerned, as name/version; empty when the whole link is
	// concerned.
	Protocol string

	// Code is the last message code that Protocol handled, in its own numbering. It is valid only
	// if HasCode is true.
	Code    uint64
	HasCode bool

	Err   error  // details; nil where the reason is enough
	Stack []byte // the stack of a crash; nil otherwise
}

// Error returns one line for a log: side, reason, protocol, code and error.
func (c *Cause) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %v", c.Side, c.Reason)
	if c.Protocol != "" {
		fmt.Fprintf(&b, ", protocol %s", c.Protocol)
		if c.HasCode {
			fmt.Fprintf(&b, " after message 0x%02x", c.Code)
		}
	}
	if c.Err != nil {
		fmt.Fprintf(&b, ": %v", c.Err)
	}
	return b.String()
}

func (c *Cause) String() string { return c.Error() }

// Unwrap returns the error behind the end, for errors.Is and errors.As.
func (c *Cause) Unwrap() error { return c.Err }

// The errors of ends that the link itself decides. The owner finds them in [Cause.Err].
var (
	// ErrPingTimeout: the remote was silent for 45 s.
	ErrPingTimeout = errors.New("nothing received for 45 s")
	// ErrWriteTimeout: the remote accepted not one byte for 20 s.
	ErrWriteTimeout = errors.New("remote reads nothing: no byte written for 20 s")
	// ErrMutualBackpressure: the remote does not read, and our reader waits for a protocol whose
	// budget is full, or for pongs to be written.
	ErrMutualBackpressure = errors.New("mutual backpressure: no byte written for 20 s while our own reader is paused")
	// ErrStalled: a protocol's inbound budget was full for 20 s.
	ErrStalled = errors.New("inbound budget full and nothing handled for 20 s")
	// ErrMemory: the node's inbound memory had no room for 20 s.
	ErrMemory = errors.New("no inbound memory left in the node for 20 s")
	// ErrSlowFrame: a frame was not complete 30 s after its first byte.
	ErrSlowFrame = errors.New("frame not complete 30 s after its first byte")
	// ErrReturned: a protocol's actor stopped by itself.
	ErrReturned = errors.New("protocol returned")
)

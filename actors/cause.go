package actors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/troupe-p2p/troupe/wire"
)

// Side tells who ended a link.
type Side uint8

// The sides of a link's end. Network stands for an end that neither node
// decided: a reset, a timeout of the transport, an end of stream.
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

// Cause is why a link ended. A link has exactly one: the first that was found,
// told unchanged to everybody who asks.
type Cause struct {
	Side   Side
	Reason wire.DiscReason

	// Protocol is the one that the end is about, as name/version; empty when it
	// is about the link as a whole.
	Protocol string

	// Code is the last message code that Protocol saw, counted from its own
	// zero. It means something only with HasCode.
	Code    uint64
	HasCode bool

	Err   error  // what happened, in words; nil where the reason says it all
	Stack []byte // where a crash happened; nil otherwise
}

// Error is one line for a log: side, reason, protocol, code and error.
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

// Unwrap gives the error behind the end, for errors.Is and errors.As.
func (c *Cause) Unwrap() error { return c.Err }

// The ends that the link itself decides. They reach the owner as [Cause.Err].
var (
	// ErrPingTimeout: the remote was silent for 45 s.
	ErrPingTimeout = errors.New("nothing received for 45 s")
	// ErrWriteTimeout: the remote took not one byte for 20 s.
	ErrWriteTimeout = errors.New("remote reads nothing: no byte written for 20 s")
	// ErrMutualBackpressure: both sides wait for the other to read.
	ErrMutualBackpressure = errors.New("mutual backpressure: no byte written for 20 s while our own reader is held back")
	// ErrStalled: a protocol's inbound budget was full for 20 s.
	ErrStalled = errors.New("inbound budget full and nothing handled for 20 s")
	// ErrMemory: the node's inbound memory had no room for 20 s.
	ErrMemory = errors.New("no inbound memory left in the node for 20 s")
	// ErrSlowFrame: a frame was begun and not finished within 30 s.
	ErrSlowFrame = errors.New("frame not complete 30 s after its first byte")
	// ErrReturned: a protocol's actor stopped by itself.
	ErrReturned = errors.New("protocol returned")
)

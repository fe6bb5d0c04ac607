package crawl

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/wire"
)

// Outcome is the result of a visit in one word, for the database.
type Outcome string

// The outcomes. The first two are answers.
const (
	Answered    Outcome = "answered"    // both handshakes succeeded, and a pong came
	Refused     Outcome = "refused"     // the node sent a Disconnect with its reason
	Closed      Outcome = "closed"      // the node closed the connection without a Disconnect
	NoListener  Outcome = "no listener" // the TCP connection was refused
	Unreachable Outcome = "unreachable" // there is no route to the node's network
	Timeout     Outcome = "timeout"     // no answer in time
	Breach      Outcome = "breach"      // the answer is not devp2p, or from another node
	NoAddress   Outcome = "no address"  // the node's record has no TCP address
	Crashed     Outcome = "crashed"     // the visit panicked
	Failed      Outcome = "failed"      // any other error
)

// outcomeOf returns the outcome for a visit's error.
func outcomeOf(err error) Outcome {
	var (
		refused *wire.RemoteDisconnect
		network net.Error
	)
	_, breach := wire.ReasonOf(err)
	switch {
	case err == nil:
		return Answered
	case errors.As(err, &refused):
		return Refused
	case errors.Is(err, node.ErrNoAddress):
		return NoAddress
	case errors.Is(err, syscall.ECONNREFUSED):
		return NoListener
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return Unreachable
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case breach:
		return Breach
	case hungUp(err):
		return Closed
	}
	return Failed
}

// hungUp reports whether the remote closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

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

// Outcome is how a visit ended, in one word for the database.
type Outcome string

// The outcomes. The first two are answers.
const (
	Answered    Outcome = "answered"    // handshakes and a pong
	Refused     Outcome = "refused"     // it said why in a Disconnect
	Closed      Outcome = "closed"      // it hung up without a word
	NoListener  Outcome = "no listener" // the connection was refused
	Unreachable Outcome = "unreachable" // there is no way to its network
	Timeout     Outcome = "timeout"     // nothing came in time
	Breach      Outcome = "breach"      // what came is not devp2p, or was meant for another node
	NoAddress   Outcome = "no address"  // its record has none for TCP
	Crashed     Outcome = "crashed"     // a bug of ours
	Failed      Outcome = "failed"      // anything else
)

// outcomeOf sorts the end of a visit.
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

// hungUp says whether the remote ended the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

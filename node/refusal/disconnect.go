package refusal

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

const (
	// lingerTimeout is how long the remote gets to close after it was refused, so that a
	// reset does not overtake the reason.
	lingerTimeout = time.Second
	// lingerBytes is what the remote may send meanwhile.
	lingerBytes = 64 << 10
)

// DisconnectAndClose sends the remote of a finished session the Disconnect reason of why,
// and closes the connection once the remote had time to read it, up to two seconds later. It
// returns why, joined with the error if the remote could not be told.
func DisconnectAndClose(conn net.Conn, s *wire.Session, why error) error {
	defer conn.Close() // the last use of it
	reason, _ := wire.ReasonOf(why)
	frame, failed := s.AppendDisconnect(nil, reason)
	if failed == nil {
		failed = conn.SetDeadline(time.Now().Add(lingerTimeout))
	}
	if failed == nil {
		_, failed = conn.Write(frame)
	}
	if failed != nil {
		return fmt.Errorf("%w (sending the reason failed: %w)", why, failed)
	}
	Linger(conn)
	return why
}

// Linger closes our half of the connection and waits until the remote, which was sent a
// reason, closes its half. It drops what the remote sends meanwhile. It ignores errors: they
// mean that there is nothing to wait for.
func Linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}

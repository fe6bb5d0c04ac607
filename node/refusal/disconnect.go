package refusal

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

const (
	// lingerTimeout is how long to wait for the remote to close after it was refused, so that a
	// TCP reset does not overtake the reason.
	lingerTimeout = time.Second
	// lingerBytes is how many bytes the remote may send meanwhile.
	lingerBytes = 64 << 10
)

// DisconnectAndClose sends the remote of a finished session the Disconnect reason of why,
// and closes the connection when the remote has had time to read it, up to two seconds later.
// It returns why, joined with the error if sending failed.
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

// Linger closes our half of the connection after a reason was sent, and waits until the remote
// closes its half. It discards what the remote sends meanwhile. It ignores errors: after an
// error there is nothing to wait for.
func Linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}

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
// and closes the connection when the remote has had time to read it, up to two seconds later, and
// at the time by unless that is zero. It returns why, joined with the error if sending failed.
func DisconnectAndClose(conn net.Conn, s *wire.Session, why error, by time.Time) error {
	defer conn.Close() // the last use of it
	reason, _ := wire.ReasonOf(why)
	frame, failed := s.AppendDisconnect(nil, reason)
	if failed == nil {
		failed = conn.SetDeadline(within(lingerTimeout, by))
	}
	if failed == nil {
		_, failed = conn.Write(frame)
	}
	if failed != nil {
		return fmt.Errorf("%w (sending the reason failed: %w)", why, failed)
	}
	linger(conn, by)
	return why
}

// within returns the time d from now, or by if that comes first. A zero by never comes.
func within(d time.Duration, by time.Time) time.Time {
	if at := time.Now().Add(d); by.IsZero() || at.Before(by) {
		return at
	}
	return by
}

// Linger closes our half of the connection after a reason was sent, and waits until the remote
// closes its half. It discards what the remote sends meanwhile. It ignores errors: after an
// error there is nothing to wait for.
func Linger(conn net.Conn) { linger(conn, time.Time{}) }

func linger(conn net.Conn, by time.Time) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(within(lingerTimeout, by)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}

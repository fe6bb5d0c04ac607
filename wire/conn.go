package wire

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"net"
	"time"
)

// Timeouts of the two steps in which a session is set up. Each is one deadline for the whole step, so a remote can't
// extend it by sending byte after byte.
const (
	AuthTimeout  = 5 * time.Second // from the start to the ack (dialing) or to the auth (listening)
	HelloTimeout = 5 * time.Second // from the end of the auth step to the remote's Hello
	// disconnectTimeout limits the write of a Disconnect. It is short because a lost Disconnect does little harm.
	disconnectTimeout = time.Second
)

// Options of a blocking handshake. The zero value has the defaults.
type Options struct {
	Rand         io.Reader     // the system's randomness if nil
	AuthTimeout  time.Duration // AuthTimeout if 0
	HelloTimeout time.Duration // HelloTimeout if 0
}

func (o Options) withDefaults() Options {
	o.Rand = orSystem(o.Rand)
	if o.AuthTimeout == 0 {
		o.AuthTimeout = AuthTimeout
	}
	if o.HelloTimeout == 0 {
		o.HelloTimeout = HelloTimeout
	}
	return o
}

// Dial sets up a session on conn with the node that owns the key remote: auth, ack and both Hellos. Afterwards conn has
// no deadline. On error the caller closes conn. If the remote's Hello broke the protocol, Dial has sent it a Disconnect.
func Dial(conn net.Conn, key *ecdsa.PrivateKey, remote *ecdsa.PublicKey, h *Hello, opts Options) (*Session, error) {
	opts = opts.withDefaults()
	if err := conn.SetDeadline(time.Now().Add(opts.AuthTimeout)); err != nil {
		return nil, fmt.Errorf("wire: setting the auth deadline: %w", err)
	}
	auth, err := NewAuth(key, remote, opts.Rand)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(auth.Packet()); err != nil {
		return nil, fmt.Errorf("wire: writing auth: %w", err)
	}
	ack, rest, err := ReadPacket(conn)
	if err != nil {
		return nil, fmt.Errorf("wire: waiting for ack: %w", err)
	}
	secrets, err := auth.Finish(ack)
	if err != nil {
		return nil, err
	}
	return exchange(conn, NewSession(secrets, rest), nil, h, opts)
}

// AcceptAuth reads and verifies the auth of a node that has connected. It answers nothing: the caller then calls
// Welcome or Refuse. On error the caller closes conn; at this point no message can be sent to the remote. If the first
// bytes can't begin an auth, the error is a *NoPacketError and conn keeps its deadline.
func AcceptAuth(conn net.Conn, key *ecdsa.PrivateKey, opts Options) (*Recipient, error) {
	opts = opts.withDefaults()
	if err := conn.SetDeadline(time.Now().Add(opts.AuthTimeout)); err != nil {
		return nil, fmt.Errorf("wire: setting the auth deadline: %w", err)
	}
	packet, rest, err := ReadPacket(conn)
	if err != nil {
		return nil, fmt.Errorf("wire: waiting for auth: %w", err)
	}
	r, err := OpenAuth(key, packet)
	if err != nil {
		return nil, err
	}
	r.rest, r.opts = rest, opts
	return r, nil
}

// Welcome accepts the remote: it writes ack and our Hello in one write and waits for the remote's Hello. Afterwards conn
// has no deadline. On error the caller closes conn. If the remote's Hello broke the protocol, Welcome has sent it a
// Disconnect.
func (r *Recipient) Welcome(conn net.Conn, h *Hello) (*Session, error) {
	opts := r.opts.withDefaults()
	ack, secrets, err := r.Accept(opts.Rand)
	if err != nil {
		return nil, err
	}
	return exchange(conn, NewSession(secrets, r.rest), ack, h, opts)
}

// Refuse writes ack and a Disconnect in one write. The caller closes conn.
func (r *Recipient) Refuse(conn net.Conn, reason DiscReason) error {
	ack, secrets, err := r.Accept(r.opts.Rand)
	if err != nil {
		return err
	}
	s := NewSession(secrets, r.rest)
	out, err := s.AppendDisconnect(ack, reason)
	if err != nil {
		return err
	}
	return writeLast(conn, out)
}

// exchange writes first and our Hello, and reads the remote's Hello.
func exchange(conn net.Conn, s *Session, first []byte, h *Hello, opts Options) (*Session, error) {
	if err := conn.SetDeadline(time.Now().Add(opts.HelloTimeout)); err != nil {
		return nil, fmt.Errorf("wire: setting the hello deadline: %w", err)
	}
	out, err := s.AppendHello(first, h)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(out); err != nil {
		return nil, fmt.Errorf("wire: writing hello: %w", err)
	}
	if _, err := s.ReadHello(conn); err != nil {
		if reason, ok := ReasonOf(err); ok {
			if failed := s.reject(conn, reason); failed != nil {
				return nil, fmt.Errorf("%w (sending the disconnect failed: %w)", err, failed)
			}
		}
		return nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("wire: clearing the hello deadline: %w", err)
	}
	return s, nil
}

// reject sends the remote a Disconnect with the reason.
func (s *Session) reject(conn net.Conn, reason DiscReason) error {
	out, err := s.AppendDisconnect(nil, reason)
	if err != nil {
		return err
	}
	return writeLast(conn, out)
}

// writeLast writes the last bytes of a connection, which end with a Disconnect.
func writeLast(conn net.Conn, out []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(disconnectTimeout)); err != nil {
		return fmt.Errorf("wire: setting the disconnect deadline: %w", err)
	}
	if _, err := conn.Write(out); err != nil {
		return fmt.Errorf("wire: writing disconnect: %w", err)
	}
	return nil
}

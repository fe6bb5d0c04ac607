package node

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/node/setup"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// pongTimeout is how long a pong may take.
	pongTimeout = 5 * time.Second
	// pingMaxFrame limits the size of a frame that the remote sends before its pong, in bytes.
	pingMaxFrame = 1 << 20
)

// PingResult is the result of a ping. After an error, the fields of the steps that succeeded
// are set.
type PingResult struct {
	Addr    netip.AddrPort
	Connect time.Duration // from the start to the TCP connection
	Setup   time.Duration // from the TCP connection to the remote's Hello
	RTT     time.Duration // from ping to pong
	Hello   *wire.Hello
}

// Ping connects to a node, performs both handshakes, and pings it. key is the identity to
// use; with nil, Ping makes a key. An error comes with the result of the steps that succeeded.
// If the remote runs but refuses the connection, the error is a *wire.RemoteDisconnect.
func Ping(ctx context.Context, key *ecdsa.PrivateKey, target *enode.Node) (PingResult, error) {
	var r PingResult
	if target.Pubkey() == nil {
		return r, fmt.Errorf("ping %v: no public key", target)
	}
	if key == nil {
		var err error
		if key, err = datadir.FreshKey(); err != nil {
			return r, err
		}
	}
	cfg := Config{}.withDefaults()
	c := setup.Connector{Dial: cfg.Dial, Lookup: cfg.LookupHost}
	begin := time.Now()
	connecting, cancel := context.WithTimeout(ctx, setup.ConnectTimeout)
	defer cancel()
	conn, err := c.Connect(connecting, target)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return r, fmt.Errorf("connecting: %w", cause)
	}
	if err != nil {
		return r, err
	}
	defer conn.Close()
	r.Addr = netaddr.Of(conn.RemoteAddr())
	r.Connect = time.Since(begin)
	bound := bind(ctx, conn)
	s, err := shakeHands(bound, key, target.Pubkey(), &r)
	if err == nil {
		err = pingOver(bound, s, &key.PublicKey, &r)
	}
	bound.release()
	if s == nil {
		return r, err
	}
	return r, leave(ctx, conn, s, err)
}

// boundConn is a connection whose reads and writes end with a context. Their error is then the
// context's cause. The connection stays open, for a Disconnect.
type boundConn struct {
	net.Conn
	ctx  context.Context
	stop func() bool
	cut  chan struct{} // closes after the end of ctx has ended reads and writes
}

func bind(ctx context.Context, conn net.Conn) *boundConn {
	c := &boundConn{Conn: conn, ctx: ctx, cut: make(chan struct{})}
	c.stop = context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0)) // fails if the connection has ended
		close(c.cut)
	})
	return c
}

// release ends the binding.
func (c *boundConn) release() {
	if !c.stop() {
		<-c.cut
	}
}

func (c *boundConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.because(err)
}

func (c *boundConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.because(err)
}

// SetDeadline implements net.Conn. If ctx has ended before, its effect is undone.
func (c *boundConn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetDeadline(t); err != nil {
		return err
	}
	return context.Cause(c.ctx)
}

func (c *boundConn) because(err error) error {
	if cause := context.Cause(c.ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// byeTimeout limits the writing of the last Disconnect.
const byeTimeout = time.Second

// leave sends a Disconnect after a ping that ended with err. It sends none if the remote or the
// network has ended the connection. It returns err first.
func leave(ctx context.Context, conn net.Conn, s *wire.Session, err error) error {
	reason, ok := wire.ReasonOf(err)
	switch {
	case errors.As(err, new(*wire.RemoteDisconnect)):
		return err
	case err == nil:
		reason = wire.DiscRequested
	case ctx.Err() != nil:
		reason = wire.DiscQuitting
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = wire.DiscReadTimeout
	case !ok:
		return err
	}
	bye, failed := s.AppendDisconnect(nil, reason)
	if failed == nil {
		failed = conn.SetDeadline(time.Now().Add(byeTimeout))
	}
	if failed == nil {
		_, failed = conn.Write(bye)
	}
	switch {
	case failed != nil && err != nil:
		return fmt.Errorf("%w (sending the reason failed: %w)", err, failed)
	case failed != nil:
		return fmt.Errorf("writing disconnect: %w", failed)
	}
	refusal.Linger(conn)
	return err
}

// shakeHands performs the handshake of RLPx and reads the remote's Hello. The session is nil if
// the remote was not authenticated.
func shakeHands(conn net.Conn, key *ecdsa.PrivateKey, remote *ecdsa.PublicKey, r *PingResult) (*wire.Session, error) {
	begin := time.Now()
	if err := conn.SetDeadline(begin.Add(wire.AuthTimeout + wire.HelloTimeout)); err != nil {
		return nil, err
	}
	auth, err := wire.NewAuth(key, remote, nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(auth.Packet()); err != nil {
		return nil, fmt.Errorf("writing auth: %w", err)
	}
	ack, rest, err := wire.ReadPacket(conn)
	if err != nil {
		return nil, fmt.Errorf("waiting for ack: %w", err)
	}
	secrets, err := auth.Finish(ack)
	if err != nil {
		return nil, err
	}
	s := wire.NewSession(secrets, rest)
	if r.Hello, err = s.ReadHello(conn); err != nil {
		return s, fmt.Errorf("waiting for Hello: %w", err)
	}
	r.Setup = time.Since(begin)
	return s, nil
}

// pingOver sends its own Hello after the remote's, and lists the remote's capabilities in it: a
// node that shares no capability disconnects instead of answering the ping.
func pingOver(conn net.Conn, s *wire.Session, key *ecdsa.PublicKey, r *PingResult) error {
	own := wire.Hello{Version: wire.BaseVersion, Name: ClientName("ping"), Caps: r.Hello.Caps, ID: wire.PublicID(key)}
	out, err := s.AppendHello(nil, &own)
	if errors.Is(err, wire.ErrHelloTooLarge) { // the remote's Hello is almost too large itself
		own.Caps = nil
		out, err = s.AppendHello(nil, &own)
	}
	if err != nil {
		return err
	}
	if out, err = appendPing(s, out); err != nil {
		return err
	}
	begin := time.Now()
	if err := conn.SetDeadline(begin.Add(pongTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(out); err != nil {
		return fmt.Errorf("writing ping: %w", err)
	}
	if err := awaitPong(conn, s); err != nil {
		return err
	}
	r.RTT = time.Since(begin)
	return nil
}

func appendPing(s *wire.Session, dst []byte) ([]byte, error) {
	layOut := wire.AppendFrame
	if s.Snappy {
		layOut = wire.AppendCompressed
	}
	begin := len(dst)
	dst, err := layOut(dst, wire.PingMsg, []byte{0xc0})
	if err != nil {
		return nil, err
	}
	return dst, s.Encoder.Seal(dst[begin:])
}

// awaitPong reads until the pong. It skips the messages of the remote's protocols.
func awaitPong(conn net.Conn, s *wire.Session) error {
	buf := s.Rest
	for {
		frame, n, need, err := s.Decoder.Next(buf)
		if err != nil {
			return err
		}
		if n == 0 {
			if buf, err = readMore(conn, buf, need); err != nil {
				return fmt.Errorf("waiting for pong: %w", err)
			}
			continue
		}
		code, payload, err := wire.ParseMessage(frame)
		if err != nil {
			return err
		}
		switch code {
		case wire.PongMsg:
			return nil
		case wire.DiscMsg:
			reason, err := wire.ParseDisconnect(payload, s.Snappy)
			return errors.Join(&wire.RemoteDisconnect{Reason: reason}, err)
		}
		buf = buf[n:]
	}
}

// readMore extends buf to at least need bytes.
func readMore(r io.Reader, buf []byte, need int) ([]byte, error) {
	if need > pingMaxFrame {
		return nil, fmt.Errorf("frame of %d bytes before the pong: want at most %d", need, pingMaxFrame)
	}
	if cap(buf) < need {
		buf = append(make([]byte, 0, max(need, 4096)), buf...)
	}
	n, err := io.ReadAtLeast(r, buf[len(buf):cap(buf)], need-len(buf))
	return buf[:len(buf)+n], err
}

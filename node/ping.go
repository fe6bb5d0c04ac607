package node

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/datadir"
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
	if err != nil {
		return r, err
	}
	defer conn.Close()
	// The end of ctx also ends the handshakes and the ping.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	r.Addr = netaddr.Of(conn.RemoteAddr())
	r.Connect = time.Since(begin)
	err = pingOver(conn, key, target.Pubkey(), &r)
	return r, err
}

// pingOver reads the remote's Hello before it sends its own, which lists the remote's
// capabilities: a node that shares no capability disconnects instead of answering the ping.
func pingOver(conn net.Conn, key *ecdsa.PrivateKey, remote *ecdsa.PublicKey, r *PingResult) error {
	begin := time.Now()
	if err := conn.SetDeadline(begin.Add(wire.AuthTimeout + wire.HelloTimeout)); err != nil {
		return err
	}
	auth, err := wire.NewAuth(key, remote, nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(auth.Packet()); err != nil {
		return fmt.Errorf("writing auth: %w", err)
	}
	ack, rest, err := wire.ReadPacket(conn)
	if err != nil {
		return fmt.Errorf("waiting for ack: %w", err)
	}
	secrets, err := auth.Finish(ack)
	if err != nil {
		return err
	}
	s := wire.NewSession(secrets, rest)
	if r.Hello, err = s.ReadHello(conn); err != nil {
		return err
	}
	r.Setup = time.Since(begin)
	own := wire.Hello{Version: wire.BaseVersion, Name: ClientName("ping"), Caps: r.Hello.Caps, ID: wire.PublicID(&key.PublicKey)}
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
	begin = time.Now()
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
	bye, err := s.AppendDisconnect(nil, wire.DiscRequested)
	if err == nil {
		_, err = conn.Write(bye)
	}
	if err != nil {
		return fmt.Errorf("writing disconnect: %w", err)
	}
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

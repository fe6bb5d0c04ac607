package nodetest

import (
	"bytes"
	"crypto/ecdsa"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/wire"
)

// Client is a remote that the test plays: a connection and the session that runs over it. It
// has the wire itself, and can send whatever it likes. Its methods are for one goroutine that
// writes and one that reads.
type Client struct {
	net.Conn
	*wire.Session
	payload bytes.Buffer // of Message
	frame   []byte       // of Message and Repeat
}

// DialClient connects to a node by TCP and makes a session with these capabilities. The error
// is that of the session.
func DialClient(t testing.TB, to *node.Node, key *ecdsa.PrivateKey, caps ...wire.Cap) (*Client, error) {
	t.Helper()
	return NewClient(DialTCP(t, to), to, key, caps...)
}

// NewClient makes a session with these capabilities over a connection to a node.
func NewClient(conn net.Conn, to *node.Node, key *ecdsa.PrivateKey, caps ...wire.Cap) (*Client, error) {
	hello := &wire.Hello{
		Version: wire.BaseVersion, Name: "client", Caps: caps, ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	}
	s, err := wire.Dial(conn, key, to.Self().Pubkey(), hello, wire.Options{})
	return &Client{Conn: conn, Session: s}, err
}

// Sealed lays out and seals one message whose payload is on the wire as given.
func (c *Client) Sealed(t testing.TB, code uint64, payload []byte) []byte {
	t.Helper()
	frame, err := wire.AppendFrame(nil, code, payload)
	if err == nil {
		err = c.Encoder.Seal(frame)
	}
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// Message encodes, compresses and seals a message. The result is valid until the next call of
// Message or Repeat.
func (c *Client) Message(code uint64, msg any) ([]byte, error) {
	c.payload.Reset()
	err := rlp.Encode(&c.payload, msg)
	if err == nil {
		c.frame, err = wire.AppendCompressed(c.frame[:0], code, c.payload.Bytes())
	}
	if err == nil {
		err = c.Encoder.Seal(c.frame)
	}
	return c.frame, err
}

// Repeat compresses and seals the same payload times times. The result is valid until the next
// call of Message or Repeat.
func (c *Client) Repeat(times int, code uint64, payload []byte) ([]byte, error) {
	c.frame = c.frame[:0]
	for range times {
		var err error
		if c.frame, err = wire.AppendCompressed(c.frame, code, payload); err != nil {
			return nil, err
		}
	}
	return c.frame, c.Encoder.Seal(c.frame)
}

// Send writes bytes to the connection as they are.
func (c *Client) Send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := c.Conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// Next reads one message.
func (c *Client) Next() (code uint64, payload []byte, err error) {
	if err := c.SetReadDeadline(time.Now().Add(actortest.Patience)); err != nil {
		return 0, nil, err
	}
	for {
		frame, n, need, err := c.Decoder.Next(c.Rest)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			c.Rest = c.Rest[n:]
			return wire.ParseMessage(frame)
		}
		more := make([]byte, max(4096, need-len(c.Rest)))
		got, err := io.ReadAtLeast(c.Conn, more, need-len(c.Rest))
		if err != nil {
			return 0, nil, err
		}
		c.Rest = append(c.Rest, more[:got]...)
	}
}

// AwaitDisconnect reads up to the node's Disconnect and returns its reason. The test fails if
// the connection ends without one.
func (c *Client) AwaitDisconnect(t testing.TB) wire.DiscReason {
	t.Helper()
	for {
		code, payload, err := c.Next()
		if err != nil {
			t.Fatalf("wait for a Disconnect: %v", err)
		}
		if code != wire.DiscMsg {
			continue
		}
		reason, err := wire.ParseDisconnect(payload, true) // plain ones are accepted as well
		if err != nil {
			t.Error(err)
		}
		return reason
	}
}

// Idle is a peer without anything to say: it answers whatever it reads with a pong, so that
// the node's pings are answered, until the node ends the link.
func (c *Client) Idle() {
	buf := make([]byte, 1024)
	for {
		if _, err := c.Conn.Read(buf); err != nil {
			return
		}
		pong, err := c.Repeat(1, wire.PongMsg, []byte{0xc0})
		if err != nil {
			return
		}
		if _, err := c.Conn.Write(pong); err != nil {
			return
		}
	}
}

// TCP is the connection of a Client that [DialClient] made.
func (c *Client) TCP() *net.TCPConn { return c.Conn.(*net.TCPConn) }

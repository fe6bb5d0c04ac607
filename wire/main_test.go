package wire_test

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func helloOf(key *ecdsa.PrivateKey) *wire.Hello {
	h := &wire.Hello{Version: wire.BaseVersion, Name: "test/v1", Caps: []wire.Cap{{Name: "bench", Version: 1}}}
	copy(h.ID[:], crypto.FromECDSAPub(&key.PublicKey)[1:])
	return h
}

// random returns n incompressible bytes. The same seed gives the same bytes.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// handshake makes the secrets of both sides of a new connection.
func handshake(t testing.TB) (dialer, listener *wire.Secrets) {
	t.Helper()
	a, b := newKey(t), newKey(t)
	i, err := wire.NewAuth(a, &b.PublicKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.OpenAuth(b, i.Packet())
	if err != nil {
		t.Fatal(err)
	}
	ack, listener, err := r.Accept(nil)
	if err != nil {
		t.Fatal(err)
	}
	if dialer, err = i.Finish(ack); err != nil {
		t.Fatal(err)
	}
	return dialer, listener
}

// codec returns an encoder and the decoder at the other end.
func codec(t testing.TB) (*wire.Encoder, *wire.Decoder) {
	t.Helper()
	dialer, listener := handshake(t)
	return wire.NewEncoder(dialer), wire.NewDecoder(listener)
}

// seal makes the sealed frame of an uncompressed message.
func seal(t testing.TB, e *wire.Encoder, code uint64, payload []byte) []byte {
	t.Helper()
	frame, err := wire.AppendFrame(nil, code, payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Seal(frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

// link reads and writes whole messages over a session, without any optimization.
type link struct {
	*wire.Session
	conn net.Conn
	in   []byte // read and not yet consumed
}

func newLink(s *wire.Session, conn net.Conn) *link {
	return &link{Session: s, conn: conn, in: bytes.Clone(s.Rest)}
}

func (l *link) write(code uint64, payload []byte) error {
	frame, err := wire.AppendCompressed(nil, code, payload)
	if err != nil {
		return err
	}
	if err := l.Encoder.Seal(frame); err != nil {
		return err
	}
	_, err = l.conn.Write(frame)
	return err
}

func (l *link) read() (uint64, []byte, error) {
	for {
		frame, n, need, err := l.Decoder.Next(l.in)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			l.in = l.in[n:]
			return open(frame)
		}
		had := len(l.in)
		if need > cap(l.in) {
			l.in = append(make([]byte, 0, need), l.in...)
		}
		l.in = l.in[:need]
		got, err := io.ReadAtLeast(l.conn, l.in[had:], 1)
		l.in = l.in[:had+got]
		if err != nil {
			return 0, nil, err
		}
	}
}

// open decodes the frame-data of a compressed message.
func open(frame []byte) (uint64, []byte, error) {
	code, block, err := wire.ParseMessage(frame)
	if err != nil {
		return 0, nil, err
	}
	size, err := wire.DecodedLen(block)
	if err != nil {
		return 0, nil, err
	}
	payload, err := wire.Decompress(make([]byte, size), block)
	if literal, ok := wire.Literal(block); ok && !bytes.Equal(literal, payload) {
		return 0, nil, fmt.Errorf("literal differs from the decompressed payload")
	}
	return code, payload, err
}

// tcp makes a connection over the loopback interface.
func tcp(t testing.TB) (dialed, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// The kernel completes the connection before it is accepted.
	if dialed, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed, accepted
}

// wantReason checks that err is of the given kind and that ReasonOf returns the given reason.
func wantReason(t testing.TB, err, kind error, reason wire.DiscReason) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got error %v, want %v", err, kind)
	}
	if got, ok := wire.ReasonOf(err); !ok || got != reason {
		t.Fatalf("error %v is answered with %v (%v), want %v", err, got, ok, reason)
	}
}

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
	"github.com/ethereum/go-ethereum/p2p/rlpx"

	"github.com/troupe-p2p/troupe/wire"
)

// geth is the other end of a connection, run by go-ethereum's rlpx.
type geth struct {
	conn *rlpx.Conn
	key  *ecdsa.PrivateKey
}

// setUp performs the handshakes in go-ethereum's order: handshake, Hello out, Hello in, snappy on.
func (g geth) setUp() (remote *ecdsa.PublicKey, hello *wire.Hello, err error) {
	if remote, err = g.conn.Handshake(g.key); err != nil {
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	out, err := helloOf(g.key).Append(nil)
	if err != nil {
		return nil, nil, err
	}
	if _, err := g.conn.Write(wire.HelloMsg, out); err != nil {
		return nil, nil, fmt.Errorf("writing hello: %w", err)
	}
	code, in, _, err := g.conn.Read()
	if err != nil || code != wire.HelloMsg {
		return nil, nil, fmt.Errorf("reading hello: code %d, %w", code, err)
	}
	hello, err = wire.ParseHello(in)
	g.conn.SetSnappy(true)
	return remote, hello, err
}

// echo sends every message back until the connection ends.
func (g geth) echo() error {
	for {
		code, payload, _, err := g.conn.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if _, err := g.conn.Write(code, payload); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
}

// start runs go-ethereum's side until the end of the connection.
func (g geth) start(t *testing.T, peer *ecdsa.PrivateKey) (wait func()) {
	done := make(chan error, 1)
	go func() {
		defer g.conn.Close()
		remote, hello, err := g.setUp()
		if err == nil && (!remote.Equal(&peer.PublicKey) || hello.ID != helloOf(peer).ID || hello.Name != "test/v1") {
			err = fmt.Errorf("unexpected remote %x with hello %+v", crypto.FromECDSAPub(remote), hello)
		}
		if err == nil {
			err = g.echo()
		}
		done <- err
	}()
	return func() {
		t.Helper()
		if err := <-done; err != nil {
			t.Errorf("go-ethereum's side: %v", err)
		}
	}
}

func TestDialGeth(t *testing.T) {
	ours, theirs := newKey(t), newKey(t)
	conn, far := tcp(t)
	wait := geth{rlpx.NewConn(far, nil), theirs}.start(t, ours)
	s, err := wire.Dial(conn, ours, &theirs.PublicKey, helloOf(ours), wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkSession(t, s, theirs)
	exchangeMessages(t, newLink(s, conn))
	conn.Close()
	wait()
}

func TestGethDials(t *testing.T) {
	ours, theirs := newKey(t), newKey(t)
	far, conn := tcp(t)
	wait := geth{rlpx.NewConn(far, &ours.PublicKey), theirs}.start(t, ours)
	r, err := wire.AcceptAuth(conn, ours, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Remote().Equal(&theirs.PublicKey) {
		t.Fatal("auth proves another key")
	}
	s, err := r.Welcome(conn, helloOf(ours))
	if err != nil {
		t.Fatal(err)
	}
	checkSession(t, s, theirs)
	exchangeMessages(t, newLink(s, conn))
	conn.Close()
	wait()
}

func TestGethIsRefused(t *testing.T) {
	ours, theirs := newKey(t), newKey(t)
	far, conn := net.Pipe()
	received := make(chan error, 1)
	go func() {
		g := rlpx.NewConn(far, &ours.PublicKey)
		if _, err := g.Handshake(theirs); err != nil {
			received <- err
			return
		}
		code, payload, _, err := g.Read()
		if err == nil {
			err = fmt.Errorf("code %d, payload %x", code, payload)
		}
		received <- err
	}()
	r, err := wire.AcceptAuth(conn, ours, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Refuse(conn, wire.DiscTooManyPeers); err != nil {
		t.Fatal(err)
	}
	if got := (<-received).Error(); got != "code 1, payload c104" {
		t.Fatalf("go-ethereum read %s", got)
	}
}

func checkSession(t *testing.T, s *wire.Session, remote *ecdsa.PrivateKey) {
	t.Helper()
	if !s.Remote.Equal(&remote.PublicKey) || s.RemoteHello.ID != helloOf(remote).ID {
		t.Fatal("session with another node")
	}
	if want := (wire.Cap{Name: "bench", Version: 1}); len(s.RemoteHello.Caps) != 1 || s.RemoteHello.Caps[0] != want {
		t.Fatalf("capabilities %v", s.RemoteHello.Caps)
	}
	if !s.Snappy {
		t.Fatal("both sides announce version 5, and compression is off")
	}
}

// exchangeMessages sends messages of all sizes through a peer that echoes.
func exchangeMessages(t *testing.T, l *link) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	codes := []uint64{0x10, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x12345, 1 << 40, 1<<64 - 1}
	send := func(code uint64, payload []byte) {
		t.Helper()
		sent := make(chan error, 1)
		go func() { sent <- l.write(code, payload) }() // a large message is echoed while it is still being written
		gotCode, got, err := l.read()
		if err != nil {
			t.Fatalf("reading a message of %d bytes: %v", len(payload), err)
		}
		if gotCode != code || !bytes.Equal(got, payload) {
			t.Fatalf("sent code %#x and %d bytes, got code %#x and %d bytes", code, len(payload), gotCode, len(got))
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	noise := random(1<<16, 1)
	for size := range 130 { // every short size: all paddings, literals with and without the compressor
		send(codes[size%len(codes)], noise[:size])
	}
	for range 150 {
		from := rnd.IntN(len(noise))
		payload := noise[from : from+rnd.IntN(len(noise)-from+1)]
		if rnd.IntN(2) == 0 {
			payload = bytes.Repeat(payload[:min(len(payload), 100)], 1+rnd.IntN(600))
		}
		send(codes[rnd.IntN(len(codes))], payload)
	}
	send(0x10, random(1<<20, 2))
	send(0x80, bytes.Repeat([]byte("compressible"), 1<<24)[:wire.MaxPayload])
	send(0x7f, random(16_776_442, 3)) // the largest incompressible payload that fits a frame with a one-byte code
}

func TestOneByteTooManyForAFrame(t *testing.T) {
	prefix := []byte("kept")
	for _, tc := range []struct {
		code    uint64
		payload []byte
		want    error
	}{
		{0x7f, random(16_776_443, 3), wire.ErrFrameTooLarge},
		{0x80, random(16_776_442, 3), wire.ErrFrameTooLarge}, // a code of two bytes
		{0x10, make([]byte, wire.MaxPayload+1), wire.ErrMessageTooLarge},
	} {
		out, err := wire.AppendCompressed(prefix, tc.code, tc.payload)
		if !errors.Is(err, tc.want) || !bytes.Equal(out, prefix) {
			t.Errorf("%d bytes with code %#x: %d bytes and error %v, want the old %d and %v",
				len(tc.payload), tc.code, len(out), err, len(prefix), tc.want)
		}
	}
	if out, err := wire.AppendFrame(prefix, 0, make([]byte, wire.MaxFrame)); !errors.Is(err, wire.ErrFrameTooLarge) || len(out) != len(prefix) {
		t.Errorf("uncompressed: %d bytes and error %v", len(out), err)
	}
	if _, err := wire.AppendFrame(nil, 0, make([]byte, wire.MaxFrame-1)); err != nil {
		t.Errorf("the largest uncompressed message: %v", err)
	}
}

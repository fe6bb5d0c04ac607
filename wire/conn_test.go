package wire_test

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

// counted is a connection that counts its reads and writes and records its deadline.
type counted struct {
	net.Conn
	reads, writes int
	deadline      time.Time
}

func (c *counted) Read(p []byte) (int, error)  { c.reads++; return c.Conn.Read(p) }
func (c *counted) Write(p []byte) (int, error) { c.writes++; return c.Conn.Write(p) }
func (c *counted) SetDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

type result struct {
	s   *wire.Session
	err error
}

func dial(conn net.Conn, key, remote *ecdsa.PrivateKey, h *wire.Hello) <-chan result {
	done := make(chan result, 1)
	go func() {
		s, err := wire.Dial(conn, key, &remote.PublicKey, h, wire.Options{})
		done <- result{s, err}
	}()
	return done
}

func TestDialAndWelcome(t *testing.T) {
	a, b := newKey(t), newKey(t)
	near, far := tcp(t)
	in := &counted{Conn: far}
	dialed := dial(near, a, b, helloOf(a))

	r, err := wire.AcceptAuth(in, b, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Remote().Equal(&a.PublicKey) || in.reads != 1 || in.writes != 0 {
		t.Errorf("%d reads and %d writes before Welcome", in.reads, in.writes)
	}
	s, err := r.Welcome(in, helloOf(b))
	if err != nil {
		t.Fatal(err)
	}
	d := <-dialed
	if d.err != nil {
		t.Fatal(d.err)
	}
	if in.writes != 1 {
		t.Errorf("ack and Hello took %d writes", in.writes)
	}
	if !in.deadline.IsZero() {
		t.Errorf("a deadline remains set: %v", in.deadline)
	}
	checkSession(t, s, a)
	checkSession(t, d.s, b)

	for _, pair := range [][2]*link{
		{newLink(s, in), newLink(d.s, near)},
		{newLink(d.s, near), newLink(s, in)},
	} {
		if err := pair[0].write(0x10, []byte("to the other side")); err != nil {
			t.Fatal(err)
		}
		code, payload, err := pair[1].read()
		if err != nil || code != 0x10 || string(payload) != "to the other side" {
			t.Fatalf("code %#x, %q, %v", code, payload, err)
		}
	}
}

func TestRefuse(t *testing.T) {
	a, b := newKey(t), newKey(t)
	near, far := tcp(t)
	in := &counted{Conn: far}
	dialed := dial(near, a, b, helloOf(a))
	r, err := wire.AcceptAuth(in, b, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Refuse(in, wire.DiscTooManyPeers); err != nil || in.writes != 1 {
		t.Fatalf("%d writes, %v", in.writes, err)
	}
	var rd *wire.RemoteDisconnect
	if d := <-dialed; d.s != nil || !errors.As(d.err, &rd) || rd.Reason != wire.DiscTooManyPeers {
		t.Errorf("the dialing side: %v", d.err)
	}
}

// A remote whose Hello is rejected receives a Disconnect with the reason, compressed if it now expects that.
func TestRefusedHelloIsTold(t *testing.T) {
	a, b := newKey(t), newKey(t)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	impostor := helloOf(newKey(t))
	welcomed := make(chan error, 1)
	go func() {
		r, err := wire.AcceptAuth(far, b, wire.Options{})
		if err == nil {
			_, err = r.Welcome(far, helloOf(b))
		}
		welcomed <- err
	}()
	d := <-dial(near, a, b, impostor)
	if d.err != nil {
		t.Fatal(d.err)
	}
	if err := near.SetDeadline(time.Now().Add(time.Minute)); err != nil { // in case no Disconnect comes
		t.Fatal(err)
	}
	code, payload, err := newLink(d.s, near).read()
	if err != nil || code != wire.DiscMsg || !bytes.Equal(payload, []byte{0xc1, byte(wire.DiscUnexpectedIdentity)}) {
		t.Errorf("code %d, payload %x, %v", code, payload, err)
	}
	wantReason(t, <-welcomed, wire.ErrUnexpectedIdentity, wire.DiscUnexpectedIdentity)
}

func TestGarbageInsteadOfAuth(t *testing.T) {
	b := newKey(t)
	for _, tc := range []struct {
		name    string
		garbage []byte
		err     error
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), nil},
		{"zeros", make([]byte, 600), nil},
		{"noise of a possible size", append([]byte{0x01, 0x90}, random(0x190, 1)...), wire.ErrBadAuth},
	} {
		t.Run(tc.name, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			in := &counted{Conn: far}
			go func() {
				defer near.Close()
				_, _ = near.Write(tc.garbage) // fails when the other side stops reading
			}()
			_, err := wire.AcceptAuth(in, b, wire.Options{})
			if _, blamed := wire.ReasonOf(err); !blamed || tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v", err)
			}
			if in.writes != 0 {
				t.Error("garbage was answered")
			}
			near.Close()
		})
	}
}

// drip writes one byte of b every 1.1 seconds until stop is closed.
func drip(conn net.Conn, b []byte, stop <-chan struct{}) {
	tick := time.NewTicker(1100 * time.Millisecond)
	defer tick.Stop()
	for i := range b {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

func wantTimeout(t *testing.T, err error, start time.Time, total time.Duration) {
	t.Helper()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took != total {
		t.Errorf("took %v, want %v", took, total)
	}
}

// Each deadline covers a whole step: sending byte after byte doesn't extend it.
func TestSlowRemotes(t *testing.T) {
	a, b := newKey(t), newKey(t)
	auth, err := wire.NewAuth(a, &b.PublicKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	bubble := func(name string, f func(t *testing.T, near, far net.Conn, stop <-chan struct{})) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				stop := make(chan struct{})
				defer close(stop)
				f(t, near, far, stop)
			})
		})
	}
	bubble("auth drips", func(t *testing.T, near, far net.Conn, stop <-chan struct{}) {
		start := time.Now()
		go drip(near, auth.Packet(), stop)
		_, err := wire.AcceptAuth(far, b, wire.Options{})
		wantTimeout(t, err, start, wire.AuthTimeout)
		if !strings.Contains(err.Error(), "4 of ") {
			t.Errorf("the error doesn't contain the number of bytes read: %v", err)
		}
	})
	bubble("ack doesn't come", func(t *testing.T, near, far net.Conn, stop <-chan struct{}) {
		start := time.Now()
		go func() { _, _ = io.Copy(io.Discard, far) }() // until it is closed
		_, err := wire.Dial(near, a, &b.PublicKey, helloOf(a), wire.Options{AuthTimeout: time.Minute})
		wantTimeout(t, err, start, time.Minute)
	})
	bubble("remote doesn't read auth", func(t *testing.T, near, far net.Conn, stop <-chan struct{}) {
		start := time.Now()
		_, err := wire.Dial(near, a, &b.PublicKey, helloOf(a), wire.Options{})
		wantTimeout(t, err, start, wire.AuthTimeout)
	})
	bubble("hello drips", func(t *testing.T, near, far net.Conn, stop <-chan struct{}) {
		// The dialing side follows the protocol until its Hello.
		go func() {
			if _, err := near.Write(auth.Packet()); err != nil {
				return
			}
			ack, _, err := wire.ReadPacket(near)
			if err != nil {
				return
			}
			secrets, err := auth.Finish(ack)
			if err != nil {
				return
			}
			if hello, err := wire.NewSession(secrets, nil).AppendHello(nil, helloOf(a)); err == nil {
				drip(near, hello, stop)
			}
		}()
		r, err := wire.AcceptAuth(far, b, wire.Options{HelloTimeout: 7 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = r.Welcome(far, helloOf(b))
		wantTimeout(t, err, start, 7*time.Second)
	})
	bubble("remote reads no disconnect", func(t *testing.T, near, far net.Conn, stop <-chan struct{}) {
		go func() { _, _ = near.Write(auth.Packet()) }()
		r, err := wire.AcceptAuth(far, b, wire.Options{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		wantTimeout(t, r.Refuse(far, wire.DiscTooManyPeers), start, time.Second)
	})
}

// A remote that closes between two steps causes io.EOF, at each step.
func TestHangUpDuringHandshake(t *testing.T) {
	a, b := newKey(t), newKey(t)
	near, far := tcp(t)
	near.Close()
	if _, err := wire.AcceptAuth(far, b, wire.Options{}); !errors.Is(err, io.EOF) {
		t.Errorf("before auth: %v", err)
	}

	near, far = tcp(t)
	dialed := dial(near, a, b, helloOf(a))
	if _, _, err := wire.ReadPacket(far); err != nil {
		t.Fatal(err)
	}
	far.Close()
	if d := <-dialed; !errors.Is(d.err, io.EOF) {
		t.Errorf("before ack: %v", d.err)
	}

	near, far = tcp(t)
	dialed = dial(near, a, b, helloOf(a))
	r, err := wire.AcceptAuth(far, b, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ack, _, err := r.Accept(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write(ack); err != nil {
		t.Fatal(err)
	}
	if err := far.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if d := <-dialed; !errors.Is(d.err, io.EOF) {
		t.Errorf("before Hello: %v", d.err)
	}
}

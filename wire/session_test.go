package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/troupe-p2p/troupe/wire"
)

// remoteOf makes a session, the encoder at its other end, and the Hello of the other end.
func remoteOf(t testing.TB) (s *wire.Session, e *wire.Encoder, h *wire.Hello) {
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
	ack, theirs, err := r.Accept(nil)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := i.Finish(ack)
	if err != nil {
		t.Fatal(err)
	}
	s = wire.NewSession(ours, nil)
	if _, err := s.AppendHello(nil, helloOf(a)); err != nil {
		t.Fatal(err)
	}
	return s, wire.NewEncoder(theirs), helloOf(b)
}

func payloadOf(t testing.TB, h *wire.Hello) []byte {
	t.Helper()
	payload, err := h.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// The Hello is never compressed and later messages are, also if one read returns both.
func TestHelloAndNextMessageInOneRead(t *testing.T) {
	for _, tc := range []struct {
		version uint64
		snappy  bool
	}{{3, false}, {4, false}, {5, true}, {6, true}, {1 << 63, true}} {
		s, e, h := remoteOf(t)
		h.Version = tc.version
		stream := seal(t, e, wire.HelloMsg, payloadOf(t, h))
		next := bytes.Repeat([]byte("next"), 100)
		layOut := wire.AppendFrame
		if tc.snappy {
			layOut = wire.AppendCompressed
		}
		frame, err := layOut(nil, 0x10, next)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Seal(frame); err != nil {
			t.Fatal(err)
		}
		whole := bytes.NewReader(append(stream, frame...))
		got, err := s.ReadHello(whole)
		if err != nil {
			t.Fatalf("version %d: %v", tc.version, err)
		}
		if got != s.RemoteHello || got.ID != h.ID || got.Version != tc.version || s.Snappy != tc.snappy {
			t.Errorf("version %d: %+v, snappy %v", tc.version, got, s.Snappy)
		}
		if whole.Len() > 0 {
			t.Errorf("ReadHello left %d bytes unread", whole.Len())
		}
		data, n, _, err := s.Decoder.Next(s.Rest)
		if err != nil || n != len(frame) {
			t.Fatalf("version %d: n %d of %d, %v", tc.version, n, len(frame), err)
		}
		code, payload, err := wire.ParseMessage(data)
		if err == nil && tc.snappy {
			payload, err = wire.Decompress(make([]byte, 400), payload)
		}
		if err != nil || code != 0x10 || !bytes.Equal(payload, next) {
			t.Errorf("version %d: code %#x, %d bytes, %v", tc.version, code, len(payload), err)
		}
	}
}

func TestHelloInPieces(t *testing.T) {
	s, e, h := remoteOf(t)
	frame := seal(t, e, wire.HelloMsg, payloadOf(t, helloOfSize(t, h, wire.MaxHello)))
	s.Rest = bytes.Clone(frame[:5]) // was read together with the ack
	if _, err := s.ReadHello(iotest.OneByteReader(bytes.NewReader(frame[5:]))); err != nil {
		t.Fatal(err)
	}
	if s.Rest != nil {
		t.Errorf("Rest has %d bytes and is not nil", len(s.Rest))
	}
}

// ReadHello doesn't read what the remote sends after its Hello beyond 4 KiB, whatever the amount.
func TestReadHelloIsBounded(t *testing.T) {
	s, e, h := remoteOf(t)
	stream := append(seal(t, e, wire.HelloMsg, payloadOf(t, h)), make([]byte, 1<<20)...)
	r := bytes.NewReader(stream)
	if _, err := s.ReadHello(r); err != nil {
		t.Fatal(err)
	}
	if read := len(stream) - r.Len(); read > 4096 {
		t.Errorf("%d bytes were read", read)
	}
}

func TestFirstMessageIsNoHello(t *testing.T) {
	other := helloOf(newKey(t))
	for _, tc := range []struct {
		name    string
		code    uint64
		payload func(h *wire.Hello) []byte
		err     error
		reason  wire.DiscReason
	}{
		{"another identity", wire.HelloMsg, func(*wire.Hello) []byte { return payloadOf(t, other) }, wire.ErrUnexpectedIdentity, wire.DiscUnexpectedIdentity},
		{"no identity", wire.HelloMsg, func(h *wire.Hello) []byte { h.ID = [64]byte{}; return payloadOf(t, h) }, wire.ErrInvalidIdentity, wire.DiscInvalidIdentity},
		{"malformed", wire.HelloMsg, func(*wire.Hello) []byte { return []byte{0xc1} }, wire.ErrBadHello, wire.DiscProtocolError},
		{"ping", wire.PingMsg, func(*wire.Hello) []byte { return []byte{0xc0} }, wire.ErrNoHello, wire.DiscProtocolError},
		{"of a subprotocol", 0x10, func(*wire.Hello) []byte { return []byte{0xc0} }, wire.ErrNoHello, wire.DiscProtocolError},
		{"one byte too large", wire.HelloMsg, func(h *wire.Hello) []byte {
			return append(payloadOf(t, helloOfSize(t, h, wire.MaxHello)), 0)
		}, wire.ErrHelloTooLarge, wire.DiscProtocolError},
		{"much too large", wire.HelloMsg, func(*wire.Hello) []byte { return make([]byte, 1<<20) }, wire.ErrHelloTooLarge, wire.DiscProtocolError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, e, h := remoteOf(t)
			stream := seal(t, e, tc.code, tc.payload(h))
			r := bytes.NewReader(stream)
			_, err := s.ReadHello(r)
			wantReason(t, err, tc.err, tc.reason)
			if s.RemoteHello != nil || s.Snappy {
				t.Error("the session has kept a rejected Hello")
			}
			if read := len(stream) - r.Len(); read > 4096 {
				t.Errorf("%d bytes were read", read)
			}
		})
	}
}

func TestFirstMessageHasNoCode(t *testing.T) {
	s, e, _ := remoteOf(t)
	laidOut := make([]byte, wire.FrameRoom(0))
	if err := e.Seal(laidOut); err != nil {
		t.Fatal(err)
	}
	_, err := s.ReadHello(bytes.NewReader(laidOut))
	wantReason(t, err, wire.ErrBadMessage, wire.DiscProtocolError)
}

func TestDisconnectInPlaceOfHello(t *testing.T) {
	for _, tc := range []struct {
		name    string
		payload []byte
		want    wire.DiscReason
		bad     bool
	}{
		{"list", []byte{0xc1, 0x04}, wire.DiscTooManyPeers, false},
		{"bare", []byte{0x05}, wire.DiscAlreadyConnected, false},
		{"empty list", []byte{0xc0}, wire.DiscRequested, false},
		{"nothing", nil, wire.DiscRequested, false},
		{"malformed", []byte{0xc5, 0x01}, wire.DiscRequested, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, e, _ := remoteOf(t)
			_, err := s.ReadHello(bytes.NewReader(seal(t, e, wire.DiscMsg, tc.payload)))
			var rd *wire.RemoteDisconnect
			if !errors.As(err, &rd) || rd.Reason != tc.want || errors.Is(err, wire.ErrBadDisconnect) != tc.bad {
				t.Errorf("%v", err)
			}
		})
	}
}

// Our Disconnect is uncompressed in place of our Hello, and compressed after it.
func TestAppendDisconnectOfSession(t *testing.T) {
	dialer, listener := handshake(t)
	s, d := wire.NewSession(dialer, nil), wire.NewDecoder(listener)
	h := helloOf(newKey(t))
	appendNext := []func([]byte) ([]byte, error){
		func(dst []byte) ([]byte, error) { return s.AppendDisconnect(dst, wire.DiscUselessPeer) },
		func(dst []byte) ([]byte, error) { return s.AppendHello(dst, h) },
		func(dst []byte) ([]byte, error) { return s.AppendDisconnect(dst, wire.DiscUselessPeer) },
	}
	stream := []byte("before")
	for _, f := range appendNext {
		var err error
		if stream, err = f(stream); err != nil {
			t.Fatal(err)
		}
	}
	stream = stream[len("before"):]
	want := [][]byte{{1, 0xc1, 0x03}, append([]byte{0x80}, payloadOf(t, h)...), {1, 2, 1 << 2, 0xc1, 0x03}}
	for i, w := range want {
		frame, n, _, err := d.Next(stream)
		if err != nil || !bytes.Equal(frame, w) {
			t.Fatalf("message %d: %x, %v, want %x", i, frame, err, w)
		}
		stream = stream[n:]
	}
}

func TestHelloTooLargeToSend(t *testing.T) {
	dialer, _ := handshake(t)
	s := wire.NewSession(dialer, nil)
	h := helloOf(newKey(t))
	h.Name = strings.Repeat("n", wire.MaxHello)
	if out, err := s.AppendHello([]byte{1}, h); !errors.Is(err, wire.ErrHelloTooLarge) || len(out) != 1 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// A remote that closes directly after the handshake causes io.EOF, so callers can log it as harmless. A remote that
// closes in the middle of its Hello causes io.ErrUnexpectedEOF.
func TestHangUpBeforeHello(t *testing.T) {
	_, e, h := remoteOf(t)
	frame := seal(t, e, wire.HelloMsg, payloadOf(t, h))
	for n := range frame {
		s, e, h := remoteOf(t)
		frame := seal(t, e, wire.HelloMsg, payloadOf(t, h))
		_, err := s.ReadHello(bytes.NewReader(frame[:n]))
		if clean := errors.Is(err, io.EOF); clean != (n == 0) || !clean && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(frame), err)
		}
		if _, blamed := wire.ReasonOf(err); blamed {
			t.Fatalf("a closed connection has a reason to answer with: %v", err)
		}
	}
}

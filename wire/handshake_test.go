package wire_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/troupe-p2p/troupe/wire"
)

// repeated is a source of randomness that yields one byte value and counts the bytes read.
type repeated struct {
	value byte
	n     int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.value
	}
	r.n += len(p)
	return len(p), nil
}

func newAuth(t testing.TB) (packet []byte, open func([]byte) (*wire.Recipient, error), finish func([]byte) (*wire.Secrets, error)) {
	t.Helper()
	a, b := newKey(t), newKey(t)
	i, err := wire.NewAuth(a, &b.PublicKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	open = func(p []byte) (*wire.Recipient, error) { return wire.OpenAuth(b, p) }
	return i.Packet(), open, i.Finish
}

func TestBothSidesAgree(t *testing.T) {
	dialer, listener := handshake(t)
	if dialer.AES != listener.AES || dialer.MAC != listener.MAC || dialer.AES == dialer.MAC {
		t.Fatal("secrets differ")
	}
	// In both directions the decoder decrypts what the other side's encoder sealed.
	for _, dir := range []struct {
		e *wire.Encoder
		d *wire.Decoder
	}{
		{wire.NewEncoder(dialer), wire.NewDecoder(listener)},
		{wire.NewEncoder(listener), wire.NewDecoder(dialer)},
	} {
		sealed := seal(t, dir.e, 7, []byte("hello"))
		frame, _, _, err := dir.d.Next(sealed)
		if err != nil || string(frame) != "\x07hello" {
			t.Fatalf("%q, %v", frame, err)
		}
	}
}

// EIP-8: the padding has 100 to 300 bytes, so packets can't be recognized by their length.
func TestPaddingVaries(t *testing.T) {
	a, b := newKey(t), newKey(t)
	lengths := map[int]bool{}
	const bare = 2 + 113 + 169 // size prefix, ECIES, auth body
	for range 40 {
		i, err := wire.NewAuth(a, &b.PublicKey, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := len(i.Packet()) - bare
		if n < 100 || n > 300 {
			t.Fatalf("padding of %d bytes", n)
		}
		lengths[n] = true
	}
	if len(lengths) < 10 {
		t.Errorf("only %d lengths in 40 packets", len(lengths))
	}
}

// All randomness comes from the caller's source. The source here repeats itself, so two packets are equal; with the
// system's source they differ.
func TestRandomnessIsTheCallers(t *testing.T) {
	a, b := newKey(t), newKey(t)
	packet := func(rand io.Reader) []byte {
		i, err := wire.NewAuth(a, &b.PublicKey, rand)
		if err != nil {
			t.Fatal(err)
		}
		return i.Packet()
	}
	if !bytes.Equal(packet(&repeated{value: 7}), packet(&repeated{value: 7})) {
		t.Error("same randomness, different packets")
	}
	if bytes.Equal(packet(nil), packet(nil)) {
		t.Error("two packets with system randomness are equal")
	}

	// The error reports the end of the randomness, after any number of bytes.
	var all repeated
	all.value = 7
	packet(&all)
	for n := range all.n {
		_, err := wire.NewAuth(a, &b.PublicKey, io.LimitReader(&repeated{value: 7}, int64(n)))
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("with %d bytes of randomness: %v", n, err)
		}
	}
	r, err := wire.OpenAuth(b, packet(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Accept(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Accept without randomness: %v", err)
	}
}

func TestDamagedPackets(t *testing.T) {
	auth, open, finish := newAuth(t)
	r, err := open(auth)
	if err != nil {
		t.Fatal(err)
	}
	ack, _, err := r.Accept(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Every byte is authenticated, the size prefix included.
	for i := range auth {
		damaged := bytes.Clone(auth)
		damaged[i] ^= 0x10
		_, err := open(damaged)
		wantReason(t, err, wire.ErrBadAuth, wire.DiscProtocolError)
	}
	for i := range ack {
		damaged := bytes.Clone(ack)
		damaged[i] ^= 0x10
		_, err := finish(damaged)
		wantReason(t, err, wire.ErrBadAck, wire.DiscProtocolError)
	}
	// An auth is not a valid ack, and an ack is not a valid auth.
	_, err = finish(auth)
	wantReason(t, err, wire.ErrBadAck, wire.DiscProtocolError)
	_, err = open(ack)
	wantReason(t, err, wire.ErrBadAuth, wire.DiscProtocolError)
}

// Key agreement with a point off the curve would leak the private key bit by bit.
func TestPointOffTheCurve(t *testing.T) {
	auth, open, _ := newAuth(t)
	for name, point := range map[string][]byte{
		"zero":        make([]byte, 64),
		"not reduced": bytes.Repeat([]byte{0xff}, 64),
		"arbitrary":   random(64, 1),
	} {
		forged := bytes.Clone(auth)
		copy(forged[3:], point)
		_, err := open(forged)
		wantReason(t, err, wire.ErrBadAuth, wire.DiscProtocolError)
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte("not a point")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAuthCutShort(t *testing.T) {
	auth, open, _ := newAuth(t)
	for n := range auth {
		_, _, err := wire.ReadPacket(bytes.NewReader(auth[:n]))
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) || n > 0 && errors.Is(err, io.EOF) {
			t.Fatalf("%d of %d bytes read: %v", n, len(auth), err)
		}
		_, err = open(auth[:n])
		wantReason(t, err, wire.ErrBadAuth, wire.DiscProtocolError)
	}
}

func TestReadPacket(t *testing.T) {
	auth, open, _ := newAuth(t)
	after := []byte("bytes after the packet")
	stream := append(bytes.Clone(auth), after...)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves":    iotest.HalfReader(bytes.NewReader(stream)),
	} {
		packet, rest, err := wire.ReadPacket(r)
		if err != nil || !bytes.Equal(packet, auth) {
			t.Fatalf("%s: %d bytes, %v", name, len(packet), err)
		}
		unread, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(append(rest, unread...), after) {
			t.Errorf("%s: rest %q, then unread %q, %v", name, rest, unread, err)
		}
		if _, err := open(packet); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPacketSizes(t *testing.T) {
	for _, tc := range []struct {
		size int
		ok   bool
	}{{0, false}, {112, false}, {113, true}, {500, true}, {1022, true}, {1023, true}, {2048, true}, {2049, false}, {65535, false}} {
		stream := append([]byte{byte(tc.size >> 8), byte(tc.size)}, make([]byte, tc.size)...)
		r := bytes.NewReader(stream)
		packet, rest, err := wire.ReadPacket(r)
		if tc.ok && (err != nil || len(packet) != len(stream) || len(rest) > 0) {
			t.Errorf("size %d: %d bytes and a rest of %d, %v", tc.size, len(packet), len(rest), err)
		}
		if reason, blamed := wire.ReasonOf(err); !tc.ok && (!blamed || reason != wire.DiscProtocolError) {
			t.Errorf("size %d: %v", tc.size, err)
		}
		var other *wire.NoPacketError
		if errors.As(err, &other) == tc.ok || !tc.ok && !bytes.Equal(other.Read, stream[:len(stream)-r.Len()]) {
			t.Errorf("size %d: %v", tc.size, err)
		}
		if read := len(stream) - r.Len(); read > 2050 {
			t.Errorf("size %d: %d bytes were read", tc.size, read)
		}
	}
}

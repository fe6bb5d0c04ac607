package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
)

// Handshake packets are fuzzed outside and inside their encryption: the input is a packet as received, and it is the
// plaintext of a valid packet, as a remote that knows our public key can make it.

func FuzzAuth(f *testing.F) {
	v := newEIP8(f)
	for _, packet := range []string{auth2, auth3} {
		packet := unhex(f, packet)
		body, err := openPacket(v.keyB, packet)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, body)
	}
	f.Add([]byte("GET / HTTP/1.1\r\n"), []byte{0xc0})
	f.Fuzz(func(t *testing.T, packet, body []byte) {
		check := func(packet []byte) {
			r, err := OpenAuth(v.keyB, packet)
			if err != nil {
				if reason, ok := ReasonOf(err); !ok || reason != DiscProtocolError {
					t.Fatalf("error without the reason %v: %v", DiscProtocolError, err)
				}
				return
			}
			if _, _, err := r.Accept(rand.NewChaCha8([32]byte{})); err != nil {
				t.Fatalf("Accept fails for a verified auth: %v", err)
			}
		}
		check(packet)
		if got, rest, err := ReadPacket(bytes.NewReader(packet)); err == nil {
			if whole := append(bytes.Clone(got), rest...); !bytes.HasPrefix(packet, whole) {
				t.Fatal("ReadPacket returned bytes that differ from the input")
			}
			check(got)
		}
		if len(body) > maxPacket-eciesOverhead {
			return
		}
		sealed, err := sealPacket(rand.NewChaCha8([32]byte{}), &v.keyB.PublicKey, body)
		if err != nil {
			t.Fatal(err)
		}
		check(sealed)
	})
}

func FuzzAck(f *testing.F) {
	v := newEIP8(f)
	i := v.initiator(unhex(f, auth2))
	for _, packet := range []string{ack2, ack3} {
		packet := unhex(f, packet)
		body, err := openPacket(v.keyA, packet)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, body)
	}
	f.Add([]byte{0x01, 0xea}, []byte{0xf8, 0x64})
	f.Fuzz(func(t *testing.T, packet, body []byte) {
		check := func(packet []byte) {
			s, err := i.Finish(packet)
			if reason, ok := ReasonOf(err); err != nil && (!ok || reason != DiscProtocolError) {
				t.Fatalf("error without the reason %v: %v", DiscProtocolError, err)
			}
			if (err == nil) != (s != nil) {
				t.Fatalf("secrets %v, error %v", s != nil, err)
			}
		}
		check(packet)
		if len(body) > maxPacket-eciesOverhead {
			return
		}
		sealed, err := sealPacket(rand.NewChaCha8([32]byte{}), &v.keyA.PublicKey, body)
		if err != nil {
			t.Fatal(err)
		}
		check(sealed)
	})
}

// FuzzFrame reads the input as ciphertext, and as frame-data with a valid MAC.
func FuzzFrame(f *testing.F) {
	f.Add(unhex(f, sealedFrames), uint16(32))
	f.Add([]byte{0x80}, uint16(0))
	f.Add([]byte{0x81, 0x80, 3, 2 << 2, 'a', 'b', 'c'}, uint16(40))
	a, b := newEIP8(f).secrets(f)
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		d := NewDecoder(a)
		for rest := bytes.Clone(data); ; {
			frame, n, need, err := d.Next(rest)
			if err != nil || n == 0 {
				if err == nil && (need <= len(rest) || need > FrameRoom(MaxFrame)) {
					t.Fatalf("Next has %d bytes and needs %d", len(rest), need)
				}
				break
			}
			if n > len(rest) || n != FrameRoom(len(frame)) {
				t.Fatalf("frame of %d bytes takes %d of %d", len(frame), n, len(rest))
			}
			rest = rest[n:]
		}

		laidOut := closeFrame(append(make([]byte, HeaderRoom, FrameRoom(len(data))), data...), 0)
		if err := NewEncoder(b).Seal(laidOut); err != nil {
			t.Fatal(err)
		}
		d = NewDecoder(a)
		if at := int(cut) % len(laidOut); at > 0 { // Next must not return a frame for the first part alone
			if _, n, _, err := d.Next(laidOut[:at]); n != 0 || err != nil {
				t.Fatalf("%d of %d bytes: n %d, %v", at, len(laidOut), n, err)
			}
		}
		frame, n, _, err := d.Next(laidOut)
		if err != nil || n != len(laidOut) || !bytes.Equal(frame, data) {
			t.Fatalf("%x was decoded as %x, %v", data, frame, err)
		}
		code, payload, err := ParseMessage(frame)
		if err != nil {
			return
		}
		if again := append(rlp.AppendUint64(nil, code), payload...); !bytes.Equal(again, data) {
			t.Fatalf("code %#x is not the only reading of %x", code, data)
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(unhex(f, helloNext))
	f.Add([]byte{0xc0})
	plain, err := (&Hello{Version: 5, Name: "x", Caps: []Cap{{"eth", 68}, {"", 0}}, ID: [64]byte{1}}).Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, err := ParseHello(payload)
		if err != nil {
			if _, ok := ReasonOf(err); !ok {
				t.Fatalf("error without a reason: %v", err)
			}
			return
		}
		// The parsed Hello encodes to no more bytes than the input had, and parses again to the same Hello.
		again, err := h.Append(nil)
		if err != nil || len(again) > len(payload) {
			t.Fatalf("%d bytes from %d, %v", len(again), len(payload), err)
		}
		second, err := ParseHello(again)
		if err != nil || second.Name != h.Name || len(second.Caps) != len(h.Caps) || second.ID != h.ID {
			t.Fatalf("%+v became %+v, %v", h, second, err)
		}
	})
}

func FuzzDisconnect(f *testing.F) {
	for _, payload := range [][]byte{nil, {0xc0}, {0xc1, 0x04}, {0x04}, {0x80}, {0xc2, 0x81, 0x80}, {0xf8}, {2, 1 << 2, 0xc1, 0x04}} {
		f.Add(payload, false)
		f.Add(payload, true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, compressed bool) {
		r, err := ParseDisconnect(payload, compressed)
		if err != nil {
			if reason, ok := ReasonOf(err); r != DiscRequested || !ok || reason != DiscProtocolError {
				t.Fatalf("%v, %v", r, err)
			}
			return
		}
		// The reason survives AppendDisconnect and ParseDisconnect, plain and compressed.
		ours := AppendDisconnect(nil, r)
		if again, err := ParseDisconnect(ours, compressed); err != nil || again != r {
			t.Fatalf("%v was parsed as %v, %v", r, again, err)
		}
		if again, err := ParseDisconnect(snappy.Encode(nil, ours), true); err != nil || again != r {
			t.Fatalf("%v was parsed as %v, %v", r, again, err)
		}
	})
}

// FuzzPayload reads the input as a compressed payload, and as one to compress.
func FuzzPayload(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 2 << 2, 'a', 'b', 'c'})
	f.Add([]byte{3, 60 << 2, 2, 'a', 'b', 'c'})
	f.Add(snappy.Encode(nil, make([]byte, 300)))
	f.Add([]byte{0xff, 0xff, 0xff, 0x07, 0xfe, 0xff, 0x00, 0xfe, 0xff, 0x00}) // 16 MiB - 1 in ten bytes
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := DecodedLen(data)
		if err == nil && n > 22*len(data) {
			t.Fatalf("%d bytes were allowed to claim %d", len(data), n)
		}
		// The reference decoder trusts any claim, so it gets only inputs with small claims.
		var want []byte
		wantErr := snappy.ErrCorrupt
		if claim, e := snappy.DecodedLen(data); e == nil && claim <= 1<<20 {
			want, wantErr = snappy.Decode(nil, data)
			var got []byte
			if err == nil {
				got, err = Decompress(make([]byte, n), data)
			}
			if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
				t.Fatalf("%x and %v, want %x and %v", got, err, want, wantErr)
			}
		}
		if literal, ok := Literal(data); ok && (wantErr != nil || !bytes.Equal(literal, want)) {
			t.Fatalf("literal %x, want %x, %v", literal, want, wantErr)
		}

		frame, err := AppendCompressed(nil, 1, data)
		if err != nil {
			t.Fatal(err)
		}
		block := frame[HeaderRoom+1 : HeaderRoom+frameSize(frame)]
		if plain, err := Decompress(make([]byte, len(data)), block); err != nil || !bytes.Equal(plain, data) {
			t.Fatalf("%x was decompressed as %x, %v", data, plain, err)
		}
	})
}

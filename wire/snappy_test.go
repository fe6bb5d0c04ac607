package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/wire"
)

// blockOf returns the compressed payload of a message, taken from its frame.
func blockOf(t *testing.T, payload []byte) []byte {
	t.Helper()
	frame, err := wire.AppendCompressed(nil, 0x10, payload)
	if err != nil {
		t.Fatal(err)
	}
	size := int(frame[0])<<16 | int(frame[1])<<8 | int(frame[2])
	if len(frame) != wire.FrameRoom(size) || wire.FrameLen(frame) != len(frame) {
		t.Fatalf("%d bytes laid out for %d bytes of frame-data", len(frame), size)
	}
	if !bytes.Equal(frame[3:wire.HeaderRoom], append([]byte{0xc2, 0x80, 0x80}, make([]byte, 26)...)) {
		t.Fatalf("header %x", frame[:wire.HeaderRoom])
	}
	if tail := frame[wire.HeaderRoom+size:]; !bytes.Equal(tail, make([]byte, len(tail))) {
		t.Fatalf("padding and MAC room %x", tail)
	}
	return frame[wire.HeaderRoom+1 : wire.HeaderRoom+size]
}

func TestCompressedBlocks(t *testing.T) {
	noise := random(200_000, 1)
	for _, size := range []int{0, 1, 2, 16, 17, 59, 60, 61, 62, 127, 128, 256, 257, 1024, 65535, 65536, 65537, 200_000} {
		for name, payload := range map[string][]byte{"noise": noise[:size], "zeros": make([]byte, size)} {
			block := blockOf(t, payload)
			plain, err := snappy.Decode(nil, block)
			if err != nil || !bytes.Equal(plain, payload) {
				t.Errorf("%d bytes of %s: the reference decoder returns %d bytes, %v", size, name, len(plain), err)
			}
			n, err := wire.DecodedLen(block)
			if err != nil || n != size {
				t.Errorf("%d bytes of %s: claim %d, %v", size, name, n, err)
			}
			got, err := wire.Decompress(make([]byte, 0, size), block)
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%d bytes of %s: read %d bytes, %v", size, name, len(got), err)
			}
			// Noise of up to 64 KiB is a single literal, and so is every payload that is too short for the compressor.
			literal, ok := wire.Literal(block)
			if want := size <= 60 || name == "noise" && size <= 65536; ok != want || ok && !bytes.Equal(literal, payload) {
				t.Errorf("%d bytes of %s: literal %v of %d bytes", size, name, ok, len(literal))
			}
		}
	}
}

// TestCompressOnce checks that Compress followed by AppendFrame makes the same frame as AppendCompressed, of the size
// that SizeOf returns.
func TestCompressOnce(t *testing.T) {
	noise := random(200_000, 1)
	for _, size := range []int{0, 1, 60, 61, 1024, 65536, 200_000} {
		for name, payload := range map[string][]byte{"noise": noise[:size], "zeros": make([]byte, size)} {
			for _, code := range []uint64{0, 0x10, 0x80, 1 << 40} {
				want, err := wire.AppendCompressed(nil, code, payload)
				if err != nil {
					t.Fatal(err)
				}
				block, err := wire.Compress(payload)
				if err != nil {
					t.Fatal(err)
				}
				got, err := wire.AppendFrame([]byte("before"), code, block)
				if err != nil || !bytes.Equal(got[6:], want) {
					t.Errorf("%d bytes of %s, code %d: the frame differs, error %v", size, name, code, err)
				}
				if n, err := wire.SizeOf(code, block); err != nil || n != len(want) {
					t.Errorf("%d bytes of %s: a frame of %d, %v; want %d", size, name, n, err, len(want))
				}
			}
		}
	}
	if _, err := wire.Compress(make([]byte, wire.MaxPayload+1)); !errors.Is(err, wire.ErrMessageTooLarge) {
		t.Errorf("too large a payload: %v", err)
	}
	largest := make([]byte, wire.MaxFrame-1)
	if _, err := wire.SizeOf(0, largest); err != nil {
		t.Errorf("the largest frame: %v", err)
	}
	if _, err := wire.SizeOf(0x80, largest); !errors.Is(err, wire.ErrFrameTooLarge) {
		t.Errorf("too large a frame: %v", err)
	}
}

func TestAppendedBehindOthers(t *testing.T) {
	// The buffer's old bytes, those in its unused capacity included, must not appear in the frame.
	buf := bytes.Repeat([]byte{0xff}, 4096)[:7]
	frame, err := wire.AppendCompressed(buf, 0x10, make([]byte, 300))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := wire.AppendCompressed(nil, 0x10, make([]byte, 300))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(frame[:7], buf) || !bytes.Equal(frame[7:], fresh) || &frame[0] != &buf[0] {
		t.Errorf("got %x, want %x after the old bytes", frame, fresh)
	}
}

func claim(n uint64, rest ...byte) []byte { return append(binary.AppendUvarint(nil, n), rest...) }

func TestClaims(t *testing.T) {
	ten := bytes.Repeat([]byte{0xfe}, 6) // with the claim, ten bytes
	// The densest possible block: copies of 64 bytes, encoded in three.
	dense := append(claim(1+64*100, 0x00, 'x'), bytes.Repeat([]byte{0xfe, 0x01, 0x00}, 100)...)
	for _, tc := range []struct {
		name  string
		block []byte
		size  int
		err   error
	}{
		{"nothing", nil, 0, wire.ErrCorrupt},
		{"empty", claim(0), 0, nil},
		{"claim cut short", []byte{0x80}, 0, wire.ErrCorrupt},
		{"claim of more than 64 bits", bytes.Repeat([]byte{0xff}, 11), 0, wire.ErrCorrupt},
		{"16 MiB", claim(1<<24, ten...), 0, wire.ErrMessageTooLarge},
		{"16 MiB, possible", claim(1<<24, make([]byte, 1<<20)...), 0, wire.ErrMessageTooLarge},
		{"4 GiB", claim(1<<32, ten...), 0, wire.ErrMessageTooLarge},
		{"16 MiB - 1 in ten bytes", claim(1<<24-1, ten...), 0, wire.ErrCorrupt},
		{"16 MiB - 1 in too few", claim(1<<24-1, make([]byte, (1<<24-1)*3/64)...), 0, wire.ErrCorrupt},
		{"16 MiB - 1 in just enough", claim(1<<24-1, make([]byte, (1<<24-1)*3/64+1)...), 1<<24 - 1, nil},
		{"one byte without content", claim(1), 0, wire.ErrCorrupt},
		{"densest", dense, 1 + 64*100, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			size, err := wire.DecodedLen(tc.block)
			if size != tc.size || !errors.Is(err, tc.err) {
				t.Errorf("%d, %v; want %d, %v", size, err, tc.size, tc.err)
			}
			if tc.err != nil {
				wantReason(t, err, tc.err, wire.DiscProtocolError)
				_, err := wire.Decompress(make([]byte, 1<<10), tc.block)
				wantReason(t, err, tc.err, wire.DiscProtocolError)
			}
		})
	}
	if out, err := wire.Decompress(make([]byte, 1+64*100), dense); err != nil || !bytes.Equal(out, bytes.Repeat([]byte{'x'}, 1+64*100)) {
		t.Errorf("densest: %d bytes, %v", len(out), err)
	}
	if allocs := testing.AllocsPerRun(10, func() { _, _ = wire.DecodedLen(dense) }); allocs != 0 {
		t.Errorf("%v allocations to read a claim", allocs)
	}
}

func TestDecompressRefuses(t *testing.T) {
	block := claim(20, 0x00, 'x', 0x00, 'y') // two bytes that claim to be twenty
	_, err := wire.Decompress(make([]byte, 20), block)
	wantReason(t, err, wire.ErrCorrupt, wire.DiscProtocolError)

	_, err = wire.Decompress(make([]byte, 0, 299), blockOf(t, make([]byte, 300)))
	if _, blamed := wire.ReasonOf(err); !errors.Is(err, io.ErrShortBuffer) || blamed {
		t.Errorf("got %v, want io.ErrShortBuffer without a reason: the buffer is the caller's mistake", err)
	}
}

func TestLiteralForms(t *testing.T) {
	for _, tc := range []struct {
		name  string
		block []byte
		want  string
		ok    bool
	}{
		{"short", []byte{3, 2 << 2, 'a', 'b', 'c'}, "abc", true},
		{"length in one byte", []byte{3, 60 << 2, 2, 'a', 'b', 'c'}, "abc", true},
		{"in two", []byte{3, 61 << 2, 2, 0, 'a', 'b', 'c'}, "abc", true},
		{"in three", []byte{3, 62 << 2, 2, 0, 0, 'a', 'b', 'c'}, "abc", true},
		{"in four", []byte{3, 63 << 2, 2, 0, 0, 0, 'a', 'b', 'c'}, "abc", true},
		{"length cut short", []byte{3, 63 << 2, 2, 0}, "", false},
		{"shorter than claimed", []byte{4, 2 << 2, 'a', 'b', 'c'}, "", false},
		{"longer than claimed", []byte{2, 2 << 2, 'a', 'b', 'c'}, "", false},
		{"bytes missing", []byte{3, 2 << 2, 'a', 'b'}, "", false},
		{"bytes after it", []byte{3, 2 << 2, 'a', 'b', 'c', 'd'}, "", false},
		{"a copy", []byte{4, 1, 1, 0}, "", false},
		{"claim without content", []byte{3}, "", false},
		{"content without claim", []byte{0, 0, 'a'}, "", false},
		{"nothing", nil, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := wire.Literal(tc.block)
			if ok != tc.ok || ok && string(got) != tc.want {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}

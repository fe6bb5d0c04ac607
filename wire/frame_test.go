package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

func TestSeveralFramesASeal(t *testing.T) {
	e, d := codec(t)
	var frames, stream []byte
	var payloads [][]byte
	for i := range 100 {
		payload := random(i*i, byte(i))
		var err error
		if frames, err = wire.AppendFrame(frames, uint64(i*7), payload); err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, payload)
		if i%9 == 0 { // groups of one frame and of nine
			if err := e.Seal(frames); err != nil {
				t.Fatal(err)
			}
			stream, frames = append(stream, frames...), frames[:0]
		}
	}
	// One buffer holds all frames.
	for i, payload := range payloads {
		frame, n, _, err := d.Next(stream)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		code, got, err := wire.ParseMessage(frame)
		if err != nil || code != uint64(i*7) || !bytes.Equal(got, payload) {
			t.Fatalf("frame %d: code %d, %d bytes, %v", i, code, len(got), err)
		}
		if n != wire.FrameRoom(len(frame)) {
			t.Fatalf("frame %d: %d bytes of frame-data consumed %d bytes", i, len(frame), n)
		}
		stream = stream[n:]
	}
	if len(stream) > 0 {
		t.Errorf("%d bytes left", len(stream))
	}
	if _, n, need, err := d.Next(nil); n != 0 || need != wire.HeaderRoom || err != nil {
		t.Errorf("at the end: n %d, need %d, %v", n, need, err)
	}
}

// Frames are split between two reads at every byte, and Next is called after each read.
func TestFramesSplitAnywhere(t *testing.T) {
	payloads := [][]byte{nil, random(15, 1), random(16, 2), random(100, 3)}
	var size int
	for _, p := range payloads {
		size += wire.FrameRoom(1 + len(p))
	}
	for cut := range size + 1 {
		e, d := codec(t)
		var stream []byte
		for i, p := range payloads {
			stream = append(stream, seal(t, e, uint64(i+1), p)...)
		}
		var frames, consumed int
		take := func(arrived []byte) {
			for {
				buf := bytes.Clone(arrived[consumed:]) // the bytes' address changes between reads
				frame, n, need, err := d.Next(buf)
				if err != nil {
					t.Fatalf("cut at %d, frame %d: %v", cut, frames, err)
				}
				if n == 0 {
					if need <= len(buf) || !bytes.Equal(buf, arrived[consumed:]) {
						t.Fatalf("cut at %d, frame %d: Next needs %d of %d bytes, or has changed them", cut, frames, need, len(buf))
					}
					return
				}
				_, payload, err := wire.ParseMessage(frame)
				if err != nil || !bytes.Equal(payload, payloads[frames]) {
					t.Fatalf("cut at %d: frame %d is %x, %v", cut, frames, payload, err)
				}
				consumed += n
				frames++
			}
		}
		take(stream[:cut])
		take(stream)
		if frames != len(payloads) || consumed != len(stream) {
			t.Fatalf("cut at %d: %d frames of %d bytes", cut, frames, consumed)
		}
	}
}

func TestDamagedFrame(t *testing.T) {
	// Each bit of a frame is damaged in turn: header, header MAC, data with its padding, frame MAC.
	size := wire.FrameRoom(1 + 20)
	for bit := range 8 * size {
		e, d := codec(t)
		frame := seal(t, e, 3, make([]byte, 20))
		next := seal(t, e, 4, nil)
		frame[bit/8] ^= 1 << (bit % 8)
		want := wire.ErrBadFrameMAC
		if bit/8 < wire.HeaderRoom {
			want = wire.ErrBadHeaderMAC
		}
		_, n, _, err := d.Next(append(frame, next...))
		wantReason(t, err, want, wire.DiscProtocolError)
		if n != 0 {
			t.Fatalf("bit %d: %d bytes consumed", bit, n)
		}
		if _, _, _, again := d.Next(next); again != err {
			t.Fatalf("bit %d: the decoder's second error differs: %v", bit, again)
		}
	}
}

// The header is verified before its length is trusted. A need above zero would show that the length was used.
func TestForgedLength(t *testing.T) {
	e, d := codec(t)
	frame := seal(t, e, 3, make([]byte, 20))
	frame[0] ^= 0xff // flips the length's high byte, which needs no key
	_, _, need, err := d.Next(frame[:wire.HeaderRoom])
	wantReason(t, err, wire.ErrBadHeaderMAC, wire.DiscProtocolError)
	if need != 0 {
		t.Errorf("need is %d bytes, want 0", need)
	}
}

func TestFrameWithoutMessage(t *testing.T) {
	for name, frame := range map[string][]byte{
		"empty":                 {},
		"code is a list":        {0xc0},
		"code has leading zero": {0x82, 0x00, 0x01},
		"code not canonical":    {0x81, 0x01},
		"code of nine bytes":    {0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"code cut short":        {0x82, 0x01},
		"bare zero":             {0x00},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := wire.ParseMessage(frame)
			wantReason(t, err, wire.ErrBadMessage, wire.DiscProtocolError)
		})
	}
}

// A remote may send a frame without frame-data. It is a valid frame of 48 bytes.
func TestEmptyFrame(t *testing.T) {
	e, d := codec(t)
	laidOut := make([]byte, wire.FrameRoom(0))
	if err := e.Seal(laidOut); err != nil {
		t.Fatal(err)
	}
	frame, n, _, err := d.Next(laidOut)
	if err != nil || n != 48 || len(frame) != 0 {
		t.Fatalf("%d bytes in %d, %v", len(frame), n, err)
	}
}

// For the largest length that a header can hold, Next asks for exactly that many bytes. The caller decides whether to
// buffer them.
func TestLargestLength(t *testing.T) {
	e, d := codec(t)
	frame, err := wire.AppendFrame(nil, 1, make([]byte, wire.MaxFrame-1))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Seal(frame); err != nil {
		t.Fatal(err)
	}
	_, n, need, err := d.Next(frame[:wire.HeaderRoom])
	if n != 0 || need != len(frame) || err != nil {
		t.Fatalf("n %d, need %d of %d, %v", n, need, len(frame), err)
	}
}

func TestSealRefusesPieces(t *testing.T) {
	e, d := codec(t)
	frames, err := wire.AppendFrame(nil, 1, make([]byte, 50))
	if err != nil {
		t.Fatal(err)
	}
	first := len(frames)
	if frames, err = wire.AppendFrame(frames, 2, make([]byte, 70)); err != nil {
		t.Fatal(err)
	}
	if wire.FrameLen(frames) != first || wire.FrameLen(frames[first:]) != len(frames)-first || wire.FrameLen(nil) != 0 {
		t.Fatalf("lengths %d and %d", wire.FrameLen(frames), wire.FrameLen(frames[first:]))
	}
	before := bytes.Clone(frames)
	for cut := 1; cut < len(frames); cut++ {
		if cut == first {
			continue
		}
		if err := e.Seal(frames[:cut]); !errors.Is(err, wire.ErrLayout) {
			t.Fatalf("%d of %d bytes: %v", cut, len(frames), err)
		}
	}
	if !bytes.Equal(frames, before) {
		t.Fatal("Seal has changed the frames and returned an error")
	}
	if err := e.Seal(frames); err != nil {
		t.Fatal(err)
	}
	if _, n, _, err := d.Next(frames); n != first || err != nil {
		t.Fatalf("after the errors of Seal: n %d, %v", n, err)
	}
}

// In steady state a message needs no allocation in either direction, compressed or not.
func TestNoAllocations(t *testing.T) {
	for name, payload := range map[string][]byte{
		"short literal":  random(32, 1),
		"incompressible": random(1024, 2),
		"compressible":   bytes.Repeat([]byte("again and again "), 2048),
	} {
		t.Run(name, func(t *testing.T) {
			e, d := codec(t)
			var out []byte
			plain := make([]byte, len(payload))
			allocs := testing.AllocsPerRun(200, func() {
				out = out[:0]
				for range 3 {
					var err error
					if out, err = wire.AppendCompressed(out, 0x11, payload); err != nil {
						t.Fatal(err)
					}
				}
				if err := e.Seal(out); err != nil {
					t.Fatal(err)
				}
				for in := out; len(in) > 0; {
					frame, n, _, err := d.Next(in)
					if err != nil {
						t.Fatal(err)
					}
					in = in[n:]
					_, block, err := wire.ParseMessage(frame)
					if err != nil {
						t.Fatal(err)
					}
					got, ok := wire.Literal(block)
					if !ok {
						if got, err = wire.Decompress(plain, block); err != nil {
							t.Fatal(err)
						}
					}
					if !bytes.Equal(got, payload) {
						t.Fatal("the decoded payload differs")
					}
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations for three messages", allocs)
			}
		})
	}
}

// A writer and a reader use the Encoder and the Decoder of one session concurrently. Run it with the race detector.
func TestBothDirectionsAtOnce(t *testing.T) {
	dialer, listener := handshake(t)
	e1, d1 := wire.NewEncoder(dialer), wire.NewDecoder(dialer)
	e2, d2 := wire.NewEncoder(listener), wire.NewDecoder(listener)
	run := func(e *wire.Encoder, d *wire.Decoder, in <-chan []byte, out chan<- []byte) error {
		done := make(chan error, 1)
		go func() {
			defer close(out)
			for i := range 200 {
				frame, err := wire.AppendFrame(nil, 1, make([]byte, i))
				if err == nil {
					err = e.Seal(frame)
				}
				if err != nil {
					done <- err
					return
				}
				out <- frame
			}
			done <- nil
		}()
		for frame := range in {
			if _, n, _, err := d.Next(frame); err != nil || n != len(frame) {
				return errors.Join(err, errors.New("frame did not open"))
			}
		}
		return <-done
	}
	there, back := make(chan []byte, 200), make(chan []byte, 200)
	other := make(chan error, 1)
	go func() { other <- run(e2, d2, there, back) }()
	if err := run(e1, d1, back, there); err != nil {
		t.Error(err)
	}
	if err := <-other; err != nil {
		t.Error(err)
	}
}

package wire_test

import (
	"bytes"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

// A parked Encoder or Decoder continues with the state it had before.
func TestPark(t *testing.T) {
	enc, dec := codec(t)
	for i := range 40 {
		payload := bytes.Repeat([]byte{byte(i)}, i*7)
		frame, err := wire.AppendCompressed(nil, 16, payload)
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Seal(frame); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			enc.Park()
		}
		data, _, _, err := dec.Next(frame)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if _, got, err := wire.ParseMessage(data); err != nil || len(got) == 0 {
			t.Fatalf("frame %d: payload %x, error %v", i, got, err)
		}
		if i%4 == 0 {
			dec.Park()
		}
	}
}

// A Decoder that is parked amid a frame, or after an error, goes on as if it had not been.
func TestParkAmidAFrame(t *testing.T) {
	enc, dec := codec(t)
	frame, err := wire.AppendFrame(nil, 16, bytes.Repeat([]byte{7}, 500))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(frame)
	if err := enc.Seal(frame); err != nil {
		t.Fatal(err)
	}
	for _, have := range []int{10, wire.HeaderRoom, 300} {
		if _, n, need, err := dec.Next(frame[:have]); err != nil || n != 0 || need <= have {
			t.Fatalf("%d bytes: %d consumed, %d needed, %v", have, n, need, err)
		}
		dec.Park()
	}
	if data, n, _, err := dec.Next(frame); err != nil || n != len(frame) || data[len(data)-1] != 7 {
		t.Fatalf("%d bytes consumed, %v", n, err)
	}
	dec.Park()
	if err := enc.Seal(damaged); err != nil {
		t.Fatal(err)
	}
	damaged[20] ^= 1
	_, _, _, first := dec.Next(damaged)
	dec.Park()
	if _, _, _, err := dec.Next(damaged); first == nil || err != first {
		t.Errorf("first %v, then %v", first, err)
	}
}

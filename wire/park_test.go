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

package wire

import (
	"errors"
	"testing"
)

// A header that claims up to 64 KiB may be hashed together with its frame, even if its MAC is wrong. A header that
// claims more is hashed alone, so a forged length costs nothing.
func TestForgedHeaderIsHashedAlone(t *testing.T) {
	a, b := newEIP8(t).secrets(t)
	for _, tc := range []struct {
		size  int
		alone bool
	}{{64<<10 + 1, true}, {1 << 20, true}, {64 << 10, false}} {
		laidOut, err := AppendFrame(nil, 1, make([]byte, tc.size-1))
		if err != nil {
			t.Fatal(err)
		}
		if err := NewEncoder(b).Seal(laidOut); err != nil {
			t.Fatal(err)
		}
		alone := newFrameMAC(&a.MAC, nil, &a.ingress)
		alone.header(laidOut[:16])
		laidOut[16] ^= 1 // the header's MAC

		d := NewDecoder(a)
		if _, _, _, err := d.Next(laidOut); !errors.Is(err, ErrBadHeaderMAC) {
			t.Fatalf("%d bytes: %v", tc.size, err)
		}
		if got := d.mac.state == alone.state; got != tc.alone {
			t.Errorf("%d bytes: header hashed alone: %v", tc.size, got)
		}
	}
}

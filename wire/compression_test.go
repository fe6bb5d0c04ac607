package wire_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

// TestCompression: the steps give the frame that AppendCompressed gives, whatever the payload and the size of a step.
func TestCompression(t *testing.T) {
	random := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random) // never fails
	half := bytes.Clone(random)
	for i := 0; i < len(half); i += 1000 {
		clear(half[i : i+min(500, len(half)-i)])
	}
	for name, content := range map[string][]byte{"zeros": make([]byte, 1<<20), "random": random, "half of both": half} {
		for _, size := range []int{0, 1, 60, 61, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000, 1 << 20} {
			payload, before := content[:size], []byte("before")
			want, err := wire.AppendCompressed(bytes.Clone(before), 17, payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range []int{1, 100_000, 1 << 30} {
				x, err := wire.NewCompression(bytes.Clone(before), 17, payload)
				if err != nil {
					t.Fatal(err)
				}
				var got []byte
				steps := 0
				for ; got == nil && err == nil; steps++ {
					got, err = x.Step(step)
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes of %s in steps of %d: another frame than in one piece, error %v", size, name, step, err)
				}
				if most := max(1, (size+min(step, 64<<10)-1)/min(step, 64<<10)); step == 1 && size > 60 && steps < (size+64<<10-1)/(64<<10) || steps > most {
					t.Errorf("%d bytes of %s took %d steps of %d", size, name, steps, step)
				}
			}
		}
	}
	if _, err := wire.NewCompression(nil, 17, make([]byte, wire.MaxPayload+1)); !errors.Is(err, wire.ErrMessageTooLarge) {
		t.Errorf("too large a payload: %v", err)
	}
	large := make([]byte, wire.MaxPayload)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(large) // never fails
	x, err := wire.NewCompression(nil, 17, large)
	if err == nil {
		_, err = x.Step(len(large))
	}
	if !errors.Is(err, wire.ErrFrameTooLarge) {
		t.Errorf("a payload that does not fit a frame: %v", err)
	}
}

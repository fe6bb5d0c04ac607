package wire_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/wire"
)

// inSteps decompresses a block, at least step bytes at a time.
func inSteps(t testing.TB, block []byte, step int) (content []byte, steps int, err error) {
	t.Helper()
	size, err := wire.DecodedLen(block)
	if err != nil {
		return nil, 0, err
	}
	x, err := wire.NewDecompression(make([]byte, 0, size), block)
	for err == nil && content == nil {
		content, err = x.Step(step)
		steps++
	}
	return content, steps, err
}

func TestDecompressionInSteps(t *testing.T) {
	noise := random(200_000, 1)
	for name, tc := range map[string]struct {
		payload []byte
		step    int
		steps   int
	}{
		"nothing":             {nil, 10, 1},
		"a literal":           {noise[:50], 10, 1},
		"zeros":               {make([]byte, 200_000), 64 << 10, 4},
		"zeros, at once":      {make([]byte, 200_000), 200_000, 1},
		"zeros, small steps":  {make([]byte, 200_000), 1, 3129},
		"a period of 3 bytes": {bytes.Repeat([]byte("abc"), 50_000), 10_000, 15},
		"noise":               {noise, 64 << 10, 4}, // its literals have 64 KiB
		"noise and copies":    {bytes.Repeat(noise[:1000], 100), 30_000, 4},
	} {
		t.Run(name, func(t *testing.T) {
			got, steps, err := inSteps(t, snappy.Encode(nil, tc.payload), tc.step)
			if err != nil || !bytes.Equal(got, tc.payload) || steps != tc.steps {
				t.Errorf("%d bytes in %d steps, %v; want %d in %d", len(got), steps, err, len(tc.payload), tc.steps)
			}
		})
	}
	if _, err := wire.NewDecompression(make([]byte, 10), snappy.Encode(nil, noise)); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("a buffer that is too short: %v", err)
	}
}

func TestCorruptDecompression(t *testing.T) {
	for name, block := range map[string][]byte{
		"ends too early":                 claim(10, 4<<2, 1, 2, 3, 4, 5),
		"literal cut short":              claim(10, 9<<2, 1, 2),
		"literal without its length":     claim(100, 61<<2, 1),
		"literal longer than the claim":  claim(2, 9<<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
		"literal of 4 GiB":               claim(100, 63<<2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"copy before any byte":           claim(8, 1, 1, 0, 0),
		"copy from before the beginning": claim(8, 0, 'x', 1, 2),
		"copy of offset 0":               claim(8, 0, 'x', 1, 0),
		"copy longer than the claim":     claim(3, 0, 'x', 1, 1),
		"copy of 2 bytes cut short":      claim(5, 0, 'x', 1),
		"copy of 3 bytes cut short":      claim(5, 0, 'x', 2, 1),
		"copy of 5 bytes cut short":      claim(5, 0, 'x', 3, 1, 0, 0),
		"more after the end":             claim(1, 0, 'x', 0, 'y'),
		"more after nothing":             claim(0, 0, 'y'),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := wire.Decompress(make([]byte, 100), block); !errors.Is(err, wire.ErrCorrupt) {
				t.Fatalf("the reference accepts it: %v", err)
			}
			_, _, err := inSteps(t, block, 1)
			wantReason(t, err, wire.ErrCorrupt, wire.DiscProtocolError)
		})
	}
}

// FuzzDecompressionInSteps compares with the reference decoder.
func FuzzDecompressionInSteps(f *testing.F) {
	f.Add(snappy.Encode(nil, make([]byte, 1000)), 100)
	f.Add(snappy.Encode(nil, bytes.Repeat([]byte("period"), 100)), 1)
	f.Add(snappy.Encode(nil, random(70_000, 2)), 1)
	f.Add(claim(12, 0, 'x', 3, 1, 0, 0, 0, 0xff), 3)
	f.Fuzz(func(t *testing.T, block []byte, step int) {
		size, err := wire.DecodedLen(block)
		if err != nil || step < 1 || size > 1<<20 {
			return
		}
		want, wantErr := wire.Decompress(make([]byte, size), block)
		got, _, err := inSteps(t, block, step)
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v; the reference has %d, %v", len(got), err, len(want), wantErr)
		}
	})
}

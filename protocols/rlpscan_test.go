package protocols

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"
)

// FuzzScan passes arbitrary bytes to the functions that examine RLP before decoding. A list that
// was cut has the requested number of elements, and cutting it again changes nothing.
func FuzzScan(f *testing.F) {
	for _, seed := range [][]byte{
		nil, {0x05}, {0xc0}, {0xc2, 0xc1, 0xc0}, {0xc4, 1, 2, 3, 4}, {0xc4, 1, 2, 3, 0x85},
		bytes.Repeat([]byte{0xc1}, 64), append([]byte{0xf8, 60}, make([]byte, 60)...),
		{0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0xb8, 0x01, 0x05},
	} {
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, payload []byte, k uint8) {
		keep := int(k)
		if n := countItems(payload, keep); n < 0 || n > keep+1 || n > len(payload) {
			t.Fatalf("%d items in %d bytes, counted up to %d", n, len(payload), keep)
		}
		before := bytes.Clone(payload)
		cut := cutTrailing(payload, keep)
		if !bytes.Equal(payload, before) {
			t.Fatal("the payload was changed")
		}
		if again := cutTrailing(cut, keep); !bytes.Equal(again, cut) {
			t.Fatalf("% x is cut to % x and then to % x", payload, cut, again)
		}
		if bytes.Equal(cut, payload) {
			return
		}
		content, rest, err := rlp.SplitList(cut)
		if err != nil || len(rest) > 0 {
			t.Fatalf("% x is not a list: %v", cut, err)
		}
		if n, err := rlp.CountValues(content); err != nil || n != keep {
			t.Fatalf("% x has %d elements, want %d: %v", cut, n, keep, err)
		}
	})
}

func TestCountItems(t *testing.T) {
	for _, c := range []struct {
		payload []byte
		enough  int
		want    int
	}{
		{nil, 9, 0},
		{[]byte{0x05}, 9, 1},
		{[]byte{0xc0}, 9, 1},
		{[]byte{0xc3, 0xc1, 0x01, 0x02}, 9, 4},
		{[]byte{0xc3, 0xc1, 0x01, 0x02}, 2, 3},
		{bytes.Repeat([]byte{0xc0}, 40), 9, 10},
		{[]byte{0xc2, 0x01, 0x83}, 9, 2}, // the second element is truncated
	} {
		if got := countItems(c.payload, c.enough); got != c.want {
			t.Errorf("% x has %d values up to %d, want %d", c.payload, got, c.enough, c.want)
		}
	}
}

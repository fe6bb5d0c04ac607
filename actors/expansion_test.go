package actors

import (
	"testing"
	"time"
)

func TestExcess(t *testing.T) {
	for _, tt := range []struct {
		name        string
		wire, claim int
		want        int64
	}{
		{"nothing", 0, 0, 0},
		{"a literal", 1000, 998, 0},
		{"text, which expands four times", 1 << 20, 4 << 20, 0},
		{"eight times", 1 << 20, 8 << 20, 0},
		{"one byte more", 1 << 20, 8<<20 + 1, 1},
		{"1 KiB of equal bytes", 53, 1 << 10, 0},
		{"4 KiB of equal bytes", 200, 4 << 10, 0},
		{"5 KiB of equal bytes", 250, 5 << 10, 1 << 10},
		{"64 KiB of equal bytes", 3100, 64 << 10, 64<<10 - 16*3100},
		{"32 KiB, sixteen times", 2 << 10, 32 << 10, 0},
		{"64 KiB, sixteen times", 4 << 10, 64 << 10, 0},
		{"80 KiB, sixteen times", 5 << 10, 80 << 10, 16 << 10},
		{"128 KiB, sixteen times", 8 << 10, 128 << 10, 64 << 10},
		{"the largest bomb", 786_432, 1<<24 - 1, 1<<24 - 1 - 8*786_432},
	} {
		if got := excessOf(tt.wire, tt.claim); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if most := excessOf(786_432, 1<<24-1); most > expansionBurst {
		t.Errorf("the largest excess, %d, exceeds the bucket", most)
	}
	for wire, want := range map[int]int64{0: 0, 1: 0, 4 << 10: 0, 4<<10 + 1: 1, 1 << 24: 1<<24 - 4<<10} {
		if got := baseExcessOf(wire); got != want {
			t.Errorf("a base message of %d bytes: %d, want %d", wire, got, want)
		}
	}
}

func TestBucket(t *testing.T) {
	const s = time.Second
	begin := time.Unix(1, 0)
	b := bucket{rate: 100, burst: 1000}
	for _, tt := range []struct {
		name string
		at   time.Duration
		n    int64
		want time.Duration
	}{
		{"a full one", 0, 600, 0},
		{"the rest", 0, 400, 0},
		{"an empty one", 0, 1, s/100 + 1},
		{"an empty one again: nothing was taken", 0, 100, s + 1},
		{"too early", s / 2, 100, s/2 + 1},
		{"in time", s, 100, 0},
		{"nothing from an empty one", s, 0, 0},
		{"all of it", s, 1000, 10*s + 1},
		{"the clock goes backwards", s / 2, 10, s/10 + 1},
		{"years later it is full, not more", 1 << 60, 1000, 0},
		{"and empty again", 1 << 60, 10, s/10 + 1},
	} {
		if got := b.take(tt.n, begin.Add(tt.at)); got != tt.want {
			t.Errorf("%s: wait %v, want %v", tt.name, got, tt.want)
		}
	}
}

package history

import (
	"math/rand/v2"
	"testing"
)

func TestIndex(t *testing.T) {
	var x index
	r := rand.New(rand.NewPCG(1, 1))
	want := map[uint64]uint64{}
	for _, run := range []struct{ first, count uint64 }{{1000, 700}, {0, 1000}, {1 << 40, 300}, {5000, 1}} {
		prefixes := make([]uint64, run.count)
		for i := range prefixes {
			prefixes[i] = r.Uint64()
			want[prefixes[i]] = run.first + uint64(i)
		}
		x.add(run.first, prefixes)
	}
	for prefix, number := range want {
		var got []uint64
		x.find(prefix, func(n uint64) bool { got = append(got, n); return false })
		if len(got) != 1 || got[0] != number {
			t.Fatalf("prefix of block %d: found %v", number, got)
		}
	}
	for range 1000 {
		x.find(r.Uint64(), func(n uint64) bool { t.Errorf("found block %d for an unknown hash", n); return true })
	}
}

// TestIndexOfEqualPrefixes: both candidates are found.
func TestIndexOfEqualPrefixes(t *testing.T) {
	var x index
	x.add(1, []uint64{7, 7, 1<<64 - 1, 1<<64 - 1, 0})
	for prefix, want := range map[uint64]int{7: 2, 1<<64 - 1: 2, 0: 1, 8: 0} {
		found := 0
		x.find(prefix, func(uint64) bool { found++; return false })
		if found != want {
			t.Errorf("prefix %d: found %d, want %d", prefix, found, want)
		}
	}
}

// TestIndexGrows: room is made for one block after the other, and there is always a slot left.
func TestIndexGrows(t *testing.T) {
	var x index
	for n := range uint64(2000) {
		x.add(2*n, []uint64{n << 50})
		if len(x.slots) <= len(x.prefixes) || cap(x.prefixes) > len(x.slots) {
			t.Fatalf("%d slots for %d blocks and room for %d", len(x.slots), len(x.prefixes), cap(x.prefixes))
		}
	}
	found := 0
	for n := range uint64(2000) {
		x.find(n<<50, func(got uint64) bool { found++; return got == 2*n })
	}
	if found != 2000 {
		t.Errorf("found %d blocks of 2000", found)
	}
}

func TestIndexOfNothing(t *testing.T) {
	var x index
	x.find(1, func(uint64) bool { t.Error("found a block"); return true })
}

// TestIndexMemory: 12 to 14 bytes for each block.
func TestIndexMemory(t *testing.T) {
	var x index
	const blocks = 1 << 20
	x.reserve(blocks)
	for first := uint64(0); first < blocks; first += 1 << 13 {
		x.add(first, make([]uint64, 1<<13)[:0])
	}
	if got := float64(8*cap(x.prefixes)+4*len(x.slots)) / blocks; got > 14 {
		t.Errorf("%.1f bytes a block, want at most 14", got)
	}
}

package hashset_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/hashset"
)

func hash(i int) (h common.Hash) {
	binary.BigEndian.PutUint64(h[8:], uint64(i)) // the first bytes are alike, as a hostile remote has them
	return h
}

// TestOldestLeaves: a full set has exactly the newest hashes, whatever its limit.
func TestOldestLeaves(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 31, 32, 33, 1000, hashset.Limit} {
		s := hashset.New(limit)
		all := 3*limit + 5
		for i := range all {
			if !s.Add(hash(i)) && limit < 1000 {
				t.Fatalf("limit %d: hash %d was present", limit, i)
			}
			if s.Add(hash(i)) {
				t.Fatalf("limit %d: hash %d was absent after it was added", limit, i)
			}
		}
		if s.Len() != limit {
			t.Errorf("limit %d: %d hashes", limit, s.Len())
		}
		wrong := 0
		for i := range all {
			if s.Has(hash(i)) != (i >= all-limit) {
				wrong++
			}
		}
		if wrong > limit/1000 { // some fingerprints are alike
			t.Errorf("limit %d: %d of %d hashes wrong", limit, wrong, all)
		}
	}
}

// TestAgainstModel adds hashes again and again, as a peer does that announces what it has announced.
func TestAgainstModel(t *testing.T) {
	const limit = 100
	s, r := hashset.New(limit), rand.New(rand.NewPCG(1, 2))
	var order []int
	has := map[int]bool{}
	for range 20000 {
		i := r.IntN(3 * limit)
		if got := s.Has(hash(i)); got != has[i] {
			t.Fatalf("has %d: %v", i, got)
		}
		if got := s.Add(hash(i)); got == has[i] {
			t.Fatalf("added %d: %v", i, got)
		}
		if !has[i] {
			has[i], order = true, append(order, i)
		}
		if len(order) > limit {
			delete(has, order[0])
			order = order[1:]
		}
	}
}

// TestLimits: a limit outside the range is brought into it.
func TestLimits(t *testing.T) {
	for limit, want := range map[int]int{-1: 1, 0: 1, hashset.Limit + 1: hashset.Limit} {
		s := hashset.New(limit)
		for i := range want + 10 {
			s.Add(hash(i))
		}
		if s.Len() != want {
			t.Errorf("limit %d: %d hashes, want %d", limit, s.Len(), want)
		}
	}
}

// TestMemory: a set takes 256 KiB when it is full, and no more than a kilobyte with few hashes.
func TestMemory(t *testing.T) {
	const sets = 16
	measure := func(hashes int) uint64 {
		var before, after runtime.MemStats
		list := make([]*hashset.Set, sets)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range list {
			list[i] = hashset.New(hashset.Limit)
			for j := range hashes {
				list[i].Add(hash(j))
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(list)
		return (after.HeapAlloc - before.HeapAlloc) / sets
	}
	for hashes, limit := range map[int]uint64{10: 1 << 10, 2 * hashset.Limit: 260 << 10} {
		if got := measure(hashes); got > limit {
			t.Errorf("%d hashes take %d bytes, want at most %d", hashes, got, limit)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	s := hashset.New(hashset.Limit)
	for i := range b.N {
		s.Add(hash(i))
	}
}

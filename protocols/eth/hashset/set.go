package hashset

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Limit is the largest number of hashes in a Set. go-ethereum remembers as many for a peer.
const Limit = 32768

// Set is a set of hashes. It keeps 32 bits of each: with 32,768 hashes, one foreign hash in 130,000
// counts as present. The bits are keyed, so that a remote cannot choose hashes that collide. A
// full Set of Limit hashes takes 256 KiB, and an empty one next to nothing.
//
// All methods may be called from any goroutine.
type Set struct {
	mu    sync.Mutex
	seed  maphash.Seed
	limit int
	ring  []uint32 // fingerprints in order of arrival; next is the oldest once it is full
	next  int
	slots []uint16 // hash table with linear probing: place in ring + 1, or 0
}

// New returns a set of at most limit hashes, which is between 1 and Limit.
func New(limit int) *Set {
	return &Set{seed: maphash.MakeSeed(), limit: max(1, min(limit, Limit))}
}

// Add adds a hash and reports whether it was absent.
func (s *Set) Add(h common.Hash) bool {
	f := s.fingerprint(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(f) >= 0 {
		return false
	}
	if len(s.ring) < s.limit {
		s.grow()
		s.ring = append(s.ring, f)
		s.place(f, len(s.ring)-1)
		return true
	}
	s.remove(s.ring[s.next])
	s.ring[s.next] = f
	s.place(f, s.next)
	s.next = (s.next + 1) % s.limit
	return true
}

// Has reports whether a hash is in the set.
func (s *Set) Has(h common.Hash) bool {
	f := s.fingerprint(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(f) >= 0
}

// Len returns the number of hashes.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ring)
}

func (s *Set) fingerprint(h common.Hash) uint32 { return uint32(maphash.Bytes(s.seed, h[:])) }

func (s *Set) home(f uint32) int { return int(f) & (len(s.slots) - 1) }

func (s *Set) after(slot int) int { return (slot + 1) & (len(s.slots) - 1) }

// find returns the slot of a fingerprint, or -1.
func (s *Set) find(f uint32) int {
	if len(s.slots) == 0 {
		return -1
	}
	for i := s.home(f); s.slots[i] != 0; i = s.after(i) {
		if s.ring[s.slots[i]-1] == f {
			return i
		}
	}
	return -1
}

func (s *Set) place(f uint32, at int) {
	i := s.home(f)
	for s.slots[i] != 0 {
		i = s.after(i)
	}
	s.slots[i] = uint16(at + 1)
}

// remove empties the slot of a fingerprint, and moves back what linear probing had put after it.
func (s *Set) remove(f uint32) {
	hole := s.find(f)
	for i := s.after(hole); s.slots[i] != 0; i = s.after(i) {
		home := s.home(s.ring[s.slots[i]-1])
		// The entry may move if its home is not between the hole and its slot.
		if (i-home)&(len(s.slots)-1) >= (i-hole)&(len(s.slots)-1) {
			s.slots[hole], hole = s.slots[i], i
		}
	}
	s.slots[hole] = 0
}

// grow makes room for one more: at most half of the slots are in use.
func (s *Set) grow() {
	if 2*(len(s.ring)+1) <= len(s.slots) {
		return
	}
	s.slots = make([]uint16, min(max(64, 2*len(s.slots)), 1<<bits.Len(uint(2*s.limit-1))))
	ring := make([]uint32, len(s.ring), min(len(s.slots)/2, s.limit))
	copy(ring, s.ring)
	s.ring = ring
	for at, f := range s.ring {
		s.place(f, at)
	}
}

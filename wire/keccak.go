package wire

import "encoding/binary"

// rate is the number of bytes that Keccak-256 absorbs between two permutations.
const rate = 136

// sponge is a running Keccak-256, made for RLPx: its digest is taken again and again while absorbing goes on, and
// nothing is allocated. The zero value has absorbed nothing.
type sponge struct {
	a   [25]uint64
	pos int // bytes absorbed since the last permutation, below rate
}

// absorb appends p to the input.
func (s *sponge) absorb(p []byte) {
	for len(p) >= rate-s.pos {
		n := s.fill(p)
		permute(&s.a)
		s.pos = 0
		p = p[n:]
	}
	s.fill(p)
}

// fill appends as much of p as the block at hand takes, without a permutation, and returns how many bytes that were.
func (s *sponge) fill(p []byte) int {
	n := min(len(p), rate-s.pos)
	p = p[:n]
	if off := s.pos & 7; off != 0 {
		p = s.fillLane(p, off)
	}
	lanes := s.a[s.pos>>3:][:len(p)>>3]
	for i := range lanes {
		lanes[i] ^= binary.LittleEndian.Uint64(p[8*i:])
	}
	s.pos += 8 * len(lanes)
	s.fillLane(p[8*len(lanes):], 0)
	return n
}

// fillLane appends the bytes of p that belong to the lane of which off bytes are there, and returns the others.
func (s *sponge) fillLane(p []byte, off int) []byte {
	n := min(8-off, len(p))
	var v uint64
	if len(p) >= 8 {
		v = binary.LittleEndian.Uint64(p) // what belongs to the next lane is shifted out
	} else {
		for i, b := range p[:n] {
			v |= uint64(b) << (8 * i)
		}
	}
	s.a[s.pos>>3] ^= v << (8 * off)
	s.pos += n
	return p[n:]
}

// sum is the hash of everything absorbed so far. The sponge stays as it is.
func (s *sponge) sum() [32]byte {
	a := s.padded()
	permute(&a)
	return digest(&a)
}

// sumAround is sum, absorb of p, and sum again, with two permutations at a time where they don't depend on each other.
func (s *sponge) sumAround(p []byte) (before, after [32]byte) {
	a := s.padded()
	if len(p) < rate-s.pos {
		s.fill(p)
		b := s.padded()
		permutePair(&a, &b)
		return digest(&a), digest(&b)
	}
	n := s.fill(p)
	permutePair(&a, &s.a)
	s.pos = 0
	s.absorb(p[n:])
	return digest(&a), s.sum()
}

// padded is the state with the padding of Keccak-256: 1 behind the input and 1 at the end of the block, in bits.
func (s *sponge) padded() [25]uint64 {
	a := s.a
	a[s.pos>>3] ^= 1 << (s.pos & 7 * 8)
	a[rate/8-1] ^= 1 << 63
	return a
}

func digest(a *[25]uint64) (h [32]byte) {
	for i := range 4 {
		binary.LittleEndian.PutUint64(h[8*i:], a[i])
	}
	return h
}

// keccak256 is the hash of the parts, one behind the other.
func keccak256(parts ...[]byte) [32]byte {
	var s sponge
	for _, p := range parts {
		s.absorb(p)
	}
	return s.sum()
}

package wire

import "encoding/binary"

// rate is the number of bytes that Keccak-256 absorbs between two permutations.
const rate = 136

// sponge is a running Keccak-256 hash for RLPx: its digest can be taken repeatedly between absorptions, and it never
// allocates. The zero value has absorbed nothing.
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

// fill appends as much of p as the current block takes, without a permutation. It returns the number of bytes appended.
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

// fillLane appends bytes of p to the current lane, which has off bytes already, and returns the rest of p.
func (s *sponge) fillLane(p []byte, off int) []byte {
	n := min(8-off, len(p))
	var v uint64
	if len(p) >= 8 {
		v = binary.LittleEndian.Uint64(p) // the shift below drops the bytes of the next lane
	} else {
		for i, b := range p[:n] {
			v |= uint64(b) << (8 * i)
		}
	}
	s.a[s.pos>>3] ^= v << (8 * off)
	s.pos += n
	return p[n:]
}

// sum returns the hash of everything absorbed so far. It doesn't change the sponge.
func (s *sponge) sum() [32]byte {
	a := s.padded()
	permute(&a)
	return digest(&a)
}

// sumAround does sum, absorb of p, and sum again. It computes two permutations at a time where they don't depend on
// each other.
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

// padded returns the state with Keccak-256's padding: a 1 bit after the input and a 1 bit at the end of the block.
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

// keccak256 returns the hash of the concatenated parts.
func keccak256(parts ...[]byte) [32]byte {
	var s sponge
	for _, p := range parts {
		s.absorb(p)
	}
	return s.sum()
}

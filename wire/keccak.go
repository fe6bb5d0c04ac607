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
	// Bytes up to the next lane, then whole lanes, then the bytes of the last lane. RLPx writes multiples of 16 once
	// the handshake is over, so only whole lanes are in a hurry.
	for len(p) > 0 && s.pos&7 != 0 {
		s.a[s.pos>>3] ^= uint64(p[0]) << (s.pos & 7 * 8)
		p = p[1:]
		s.pos++
	}
	lanes := s.a[s.pos>>3:][:len(p)>>3]
	for i := range lanes {
		lanes[i] ^= binary.LittleEndian.Uint64(p[8*i:])
	}
	s.pos += 8 * len(lanes)
	for i, b := range p[8*len(lanes):] {
		s.a[s.pos>>3] ^= uint64(b) << (i * 8)
	}
	s.pos += len(p) & 7
	return n
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

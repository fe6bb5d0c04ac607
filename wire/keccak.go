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
	// Bytes up to the next lane, then whole lanes, then the bytes of the last lane.
	for len(p) > 0 && s.pos&7 != 0 {
		s.a[s.pos>>3] ^= uint64(p[0]) << (s.pos & 7 * 8)
		p = p[1:]
		s.advance(1)
	}
	for len(p) >= 8 {
		s.a[s.pos>>3] ^= binary.LittleEndian.Uint64(p)
		p = p[8:]
		s.advance(8)
	}
	for i, b := range p {
		s.a[s.pos>>3] ^= uint64(b) << (i * 8)
		s.pos++
	}
}

func (s *sponge) advance(n int) {
	s.pos += n
	if s.pos == rate {
		keccakF(&s.a)
		s.pos = 0
	}
}

// sum is the hash of everything absorbed so far. The sponge stays as it is.
func (s *sponge) sum() (h [32]byte) {
	a := s.a
	a[s.pos>>3] ^= 1 << (s.pos & 7 * 8) // padding: 1 behind the input and 1 at the end of the block, in bits
	a[rate/8-1] ^= 1 << 63
	keccakF(&a)
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

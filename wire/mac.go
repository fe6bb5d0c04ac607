package wire

import (
	"crypto/cipher"
	"crypto/subtle"
)

// frameMAC is the running MAC of one direction (rlpx.md, "MAC"). Calls of header and body alternate.
type frameMAC struct {
	state sponge
	key   [32]byte     // mac-secret
	block cipher.Block // AES-256 under key; nil while parked

	// sum is the digest of state, of which the MAC uses the first half. Keeping the one that closed a frame saves a
	// permutation in the next header, four become three a frame.
	sum  [32]byte
	seed [16]byte // scratch: what passes through an interface must not lie on the stack
}

func newFrameMAC(s *Secrets, state *sponge) frameMAC {
	m := frameMAC{state: *state, key: s.MAC, block: s.macBlock}
	m.sum = m.state.sum()
	return m
}

// header returns the MAC of a header, given its 16 bytes of ciphertext.
func (m *frameMAC) header(ciphertext []byte) [macLen]byte {
	m.mix(ciphertext)
	m.sum = m.state.sum()
	return [macLen]byte(m.sum[:macLen])
}

// body returns the MAC of frame-data, given its padded ciphertext.
func (m *frameMAC) body(ciphertext []byte) [macLen]byte {
	m.state.absorb(ciphertext)
	m.sum = m.state.sum()
	m.mix(m.sum[:macLen])
	m.sum = m.state.sum()
	return [macLen]byte(m.sum[:macLen])
}

// frame returns both MACs of a frame. The sum behind the header and the one behind the body don't depend on each other,
// so it takes two permutations at a time.
func (m *frameMAC) frame(header, data []byte) (headerMAC, dataMAC [macLen]byte) {
	m.mix(header)
	headerSum, sum := m.state.sumAround(data)
	m.sum = sum
	m.mix(m.sum[:macLen])
	m.sum = m.state.sum()
	return [macLen]byte(headerSum[:macLen]), [macLen]byte(m.sum[:macLen])
}

// mix absorbs with, encrypted by what the last sum was.
func (m *frameMAC) mix(with []byte) {
	if m.block == nil {
		m.block = newAES256(&m.key)
	}
	m.block.Encrypt(m.seed[:], m.sum[:])
	subtle.XORBytes(m.seed[:], m.seed[:], with)
	m.state.absorb(m.seed[:])
}

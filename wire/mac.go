package wire

import (
	"crypto/cipher"
	"crypto/subtle"
)

// frameMAC is the running MAC of one direction (rlpx.md, "MAC"). Calls to header and body alternate, and calls to absorb come between them.
type frameMAC struct {
	state sponge
	key   *[32]byte    // mac-secret
	block cipher.Block // AES-256 under key; nil until it is used

	// sum is the digest of state. The MAC uses its first half. The digest that closes a frame is kept for the next
	// header, which saves one of four permutations per frame.
	sum  [32]byte
	seed [16]byte // scratch; a local array would escape to the heap, because it is passed to an interface method
}

// newFrameMAC makes a MAC that goes on from state. block may be nil.
func newFrameMAC(key *[32]byte, block cipher.Block, state *sponge) frameMAC {
	m := frameMAC{state: *state, key: key, block: block}
	m.sum = m.state.sum()
	return m
}

// header returns the MAC of a header from its 16 bytes of ciphertext.
func (m *frameMAC) header(ciphertext []byte) [macLen]byte {
	m.mix(ciphertext)
	m.sum = m.state.sum()
	return [macLen]byte(m.sum[:macLen])
}

// absorb appends padded ciphertext of frame-data, of which body returns the MAC.
func (m *frameMAC) absorb(ciphertext []byte) { m.state.absorb(ciphertext) }

// body returns the MAC of the frame-data whose padded ciphertext was absorbed.
func (m *frameMAC) body() [macLen]byte {
	m.sum = m.state.sum()
	m.mix(m.sum[:macLen])
	m.sum = m.state.sum()
	return [macLen]byte(m.sum[:macLen])
}

// frame returns both MACs of a frame. The digest after the header and the one after the body don't depend on each
// other, so frame computes two permutations at a time.
func (m *frameMAC) frame(header, data []byte) (headerMAC, dataMAC [macLen]byte) {
	m.mix(header)
	headerSum, sum := m.state.sumAround(data)
	m.sum = sum
	m.mix(m.sum[:macLen])
	m.sum = m.state.sum()
	return [macLen]byte(headerSum[:macLen]), [macLen]byte(m.sum[:macLen])
}

// mix encrypts the last sum with AES, XORs the result with the argument, and absorbs it.
func (m *frameMAC) mix(with []byte) {
	if m.block == nil {
		m.block = newAES256(m.key)
	}
	m.block.Encrypt(m.seed[:], m.sum[:])
	subtle.XORBytes(m.seed[:], m.seed[:], with)
	m.state.absorb(m.seed[:])
}

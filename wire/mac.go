package wire

import (
	"crypto/cipher"
	"crypto/subtle"
)

// frameMAC is the running MAC of one direction (rlpx.md, "MAC"). Calls of header and body alternate.
type frameMAC struct {
	state sponge
	block cipher.Block // AES-256 under mac-secret

	// sum is the digest of state, of which the MAC uses the first half. Keeping the one that closed a frame saves a
	// permutation in the next header, four become three a frame.
	sum  [32]byte
	seed [16]byte // scratch: what passes through an interface must not lie on the stack
}

func newFrameMAC(secret *[32]byte, state *sponge) frameMAC {
	m := frameMAC{state: *state, block: newAES256(secret)}
	m.sum = m.state.sum()
	return m
}

// header returns the MAC of a header, given its 16 bytes of ciphertext. The result is valid until the next call.
func (m *frameMAC) header(ciphertext []byte) []byte {
	m.update(ciphertext)
	return m.sum[:macLen]
}

// body returns the MAC of frame-data, given its padded ciphertext. The result is valid until the next call.
func (m *frameMAC) body(ciphertext []byte) []byte {
	m.state.absorb(ciphertext)
	m.sum = m.state.sum()
	m.update(m.sum[:macLen])
	return m.sum[:macLen]
}

func (m *frameMAC) update(with []byte) {
	m.block.Encrypt(m.seed[:], m.sum[:])
	subtle.XORBytes(m.seed[:], m.seed[:], with)
	m.state.absorb(m.seed[:])
	m.sum = m.state.sum()
}

package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/subtle"
	"encoding/binary"
)

// Secrets is the result of an encryption handshake. Make one Encoder and one Decoder of it and no more: a second one
// would repeat the key stream of the first.
type Secrets struct {
	Remote *ecdsa.PublicKey // node key of the other side
	AES    [32]byte         // aes-secret
	MAC    [32]byte         // mac-secret

	egress, ingress sponge       // MAC states, seeded with nonces and handshake packets
	macBlock        cipher.Block // AES-256 under MAC, shared by both directions: it has no state
}

// derivation is the input of derive that both sides know after the handshake, besides the agreed secret.
type derivation struct {
	initNonce, respNonce [32]byte
	auth, ack            []byte // whole packets
}

// derive follows rlpx.md, "Initial Handshake". It returns the MAC states by direction; the caller's side decides which
// one is egress.
func derive(eph *ephemeral, remote *ecdsa.PublicKey, d derivation) (s *Secrets, toRecipient, toInitiator sponge, err error) {
	agreed, err := agree(eph.key, remote)
	if err != nil {
		return nil, toRecipient, toInitiator, err
	}
	s = new(Secrets)
	nonces := keccak256(d.respNonce[:], d.initNonce[:])
	shared := keccak256(agreed[:], nonces[:])
	s.AES = keccak256(agreed[:], shared[:])
	s.MAC = keccak256(agreed[:], s.AES[:])
	s.macBlock = newAES256(&s.MAC)

	seed := func(nonce [32]byte, packet []byte) (m sponge) {
		xor32(&nonce, &s.MAC)
		m.absorb(nonce[:])
		m.absorb(packet)
		return m
	}
	return s, seed(d.respNonce, d.auth), seed(d.initNonce, d.ack), nil
}

// keyStream is the AES-256-CTR key stream of one direction. Both directions start from the same key and a zero IV, as
// RLPx specifies. It is used in whole blocks only, so it can be recreated from the key and a counter.
type keyStream struct {
	key    *[32]byte
	blocks uint64        // used so far
	ctr    cipher.Stream // nil until it is used
}

// xor encrypts or decrypts src, a number of whole blocks, into dst, which may be the same slice.
func (k *keyStream) xor(dst, src []byte) {
	if k.ctr == nil {
		var counter [aes.BlockSize]byte
		binary.BigEndian.PutUint64(counter[8:], k.blocks)
		k.ctr = cipher.NewCTR(newAES256(k.key), counter[:])
	}
	k.ctr.XORKeyStream(dst, src)
	k.blocks += uint64(len(src) / aes.BlockSize)
}

func newAES256(key *[32]byte) cipher.Block {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("wire: creating AES with a 32-byte key: " + err.Error()) // NewCipher checks only the length
	}
	return block
}

func xor32(dst, other *[32]byte) { subtle.XORBytes(dst[:], dst[:], other[:]) }

package shh

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/ecies"
)

// SymKeyLength is the length of a symmetric key in bytes (AES-256).
const SymKeyLength = 32

// saltLength is the length in bytes of AES-GCM's nonce, which follows the ciphertext.
const saltLength = 12

// passwordRounds is the number of PBKDF2 rounds for a password. go-ethereum uses this
// unusual number, and another one would make other keys.
const passwordRounds = 65356

// ErrNotForUs is the error of an envelope that a key doesn't decrypt. This is the normal
// case: nearly all envelopes are for other nodes.
var ErrNotForUs = errors.New("envelope is not encrypted for this key")

// SymKeyFromPassword derives a symmetric key from a password. It takes some 20 ms on
// purpose.
func SymKeyFromPassword(password string) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, password, nil, passwordRounds, SymKeyLength)
	if err != nil {
		return nil, fmt.Errorf("derive a key from a password: %w", err)
	}
	return key, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	if len(key) != SymKeyLength {
		return nil, fmt.Errorf("symmetric key of %d bytes, want %d", len(key), SymKeyLength)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func encryptSymmetric(key, content []byte) ([]byte, error) {
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails
	return append(aead.Seal(nil, salt, content, nil), salt...), nil
}

func encryptAsymmetric(to *ecdsa.PublicKey, content []byte) ([]byte, error) {
	if _, err := crypto.UnmarshalPubkey(crypto.FromECDSAPub(to)); err != nil {
		return nil, ErrInvalidPublicKey
	}
	return ecies.Encrypt(rand.Reader, ecies.ImportECDSAPublic(to), content, nil, nil)
}

// OpenSymmetric decrypts the envelope with a key that the sender has as well. Errors:
// [ErrNotForUs], or [ErrContent] if the key is right and the content is invalid.
func (e *Envelope) OpenSymmetric(key []byte) (*Content, error) {
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	if len(e.Data) < saltLength {
		return nil, ErrNotForUs
	}
	end := len(e.Data) - saltLength
	content, err := aead.Open(nil, e.Data[end:], e.Data[:end], nil)
	if err != nil {
		return nil, ErrNotForUs
	}
	return ParseContent(content)
}

// OpenAsymmetric decrypts the envelope with the private key for whose public key the sender
// has encrypted it. Errors are those of [Envelope.OpenSymmetric].
func (e *Envelope) OpenAsymmetric(key *ecdsa.PrivateKey) (*Content, error) {
	content, err := ecies.ImportECDSA(key).Decrypt(e.Data, nil, nil)
	if err != nil {
		return nil, ErrNotForUs
	}
	return ParseContent(content)
}

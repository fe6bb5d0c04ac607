package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ECIES as rlpx.md specifies it: secp256k1, the concatenation KDF and HMAC over SHA-256, AES-128-CTR. A message is
//
//	format byte, ephemeral public key | iv | ciphertext | tag
const (
	eciesIV       = 1 + pointLen
	eciesText     = eciesIV + aes.BlockSize
	eciesOverhead = eciesText + sha256.Size
)

var errBadCiphertext = errors.New("message authentication failed")

// eciesKeys derives the encryption and authentication keys from an agreed secret.
func eciesKeys(secret *[32]byte) (enc [16]byte, mac [32]byte) {
	var in [4 + 32]byte
	in[3] = 1 // the KDF's counter: one round yields the 32 bytes needed
	copy(in[4:], secret[:])
	k := sha256.Sum256(in[:])
	clear(in[:])
	return [16]byte(k[:16]), sha256.Sum256(k[16:])
}

// eciesTag returns the HMAC of iv and ciphertext (text), followed by the packet's size prefix.
func eciesTag(key, text, prefix []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	h.Write(prefix)
	return h.Sum(nil)
}

// sealPacket encrypts plain to pub and returns it as a handshake packet: size prefix and ECIES message. It uses a fresh
// key pair for this packet only. If the handshake's ephemeral key were used here too, an attacker that learns that one
// key could read more than this packet.
func sealPacket(rand io.Reader, pub *ecdsa.PublicKey, plain []byte) ([]byte, error) {
	key, err := generateKey(rand)
	if err != nil {
		return nil, err
	}
	secret, err := agree(key, pub)
	if err != nil {
		return nil, err
	}
	enc, mac := eciesKeys(&secret)

	packet := make([]byte, prefixLen+eciesOverhead+len(plain))
	binary.BigEndian.PutUint16(packet, uint16(eciesOverhead+len(plain)))
	prefix, msg := packet[:prefixLen], packet[prefixLen:]
	msg[0] = 4 // format: uncompressed
	appendPoint(msg[:1], &key.PublicKey)
	iv, text := msg[eciesIV:eciesText], msg[eciesText:eciesText+len(plain)]
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("wire: reading randomness for an iv: %w", err)
	}
	block, err := aes.NewCipher(enc[:])
	if err != nil {
		return nil, err
	}
	cipher.NewCTR(block, iv).XORKeyStream(text, plain)
	copy(msg[eciesText+len(plain):], eciesTag(mac[:], msg[eciesIV:eciesText+len(plain)], prefix))
	return packet, nil
}

// openPacket decrypts a handshake packet sent to key. It doesn't change the packet, because the packet's bytes later
// seed a MAC.
func openPacket(key *ecdsa.PrivateKey, packet []byte) ([]byte, error) {
	if len(packet) < prefixLen+eciesOverhead {
		return nil, fmt.Errorf("%w: %d bytes, want at least %d", errShortPacket, len(packet), prefixLen+eciesOverhead)
	}
	prefix, msg := packet[:prefixLen], packet[prefixLen:]
	if size := int(binary.BigEndian.Uint16(prefix)); size != len(msg) {
		return nil, fmt.Errorf("%w: %d bytes after a size prefix of %d", errShortPacket, len(msg), size)
	}
	if msg[0] != 4 {
		return nil, fmt.Errorf("key format %#02x, want 0x04: %w", msg[0], errBadPoint)
	}
	pub, err := parsePoint(msg[1:eciesIV])
	if err != nil {
		return nil, err
	}
	secret, err := agree(key, pub)
	if err != nil {
		return nil, err
	}
	enc, mac := eciesKeys(&secret)
	body, want := msg[eciesIV:len(msg)-sha256.Size], msg[len(msg)-sha256.Size:]
	if !hmac.Equal(eciesTag(mac[:], body, prefix), want) {
		return nil, errBadCiphertext
	}
	block, err := aes.NewCipher(enc[:])
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(body)-aes.BlockSize)
	cipher.NewCTR(block, body[:aes.BlockSize]).XORKeyStream(plain, body[aes.BlockSize:])
	return plain, nil
}

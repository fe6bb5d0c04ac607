package shh

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
)

// Content is the decrypted content of an envelope.
type Content struct {
	Payload []byte
	Padding []byte
	Sender  *ecdsa.PublicKey // the signer's key, nil if it is not signed
}

// Layout of a content: flags, the payload's size, payload, padding, signature (EIP-627,
// "Contents of Data Field").
const (
	flagsLength = 1
	sizeMask    = 0x03 // of flags: the number of bytes of the payload's size
	signedFlag  = 0x04 // of flags

	// paddedTo is the block size of a content in bytes. Padding to a multiple of it hides
	// the payload's exact size.
	paddedTo = 256

	signatureLength = crypto.SignatureLength
	// maxPayload is the largest size that three bytes can express. The EIP permits a fourth
	// byte, but the two bits of flags can't express the number four.
	maxPayload = 1<<24 - 1
)

// Errors of contents.
var (
	ErrContent         = errors.New("invalid content")
	ErrPayloadTooLarge = fmt.Errorf("payload is larger than %d bytes", maxPayload)
)

// EncodeContent returns the bytes to encrypt. If padding is empty, it adds random padding
// up to a multiple of 256 bytes. If sign is nil, the content is not signed.
func EncodeContent(payload, padding []byte, sign *ecdsa.PrivateKey) ([]byte, error) {
	if len(payload) > maxPayload {
		return nil, ErrPayloadTooLarge
	}
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	size = size[:sizeLength(len(payload))]
	flags := byte(len(size))
	length := flagsLength + len(size) + len(payload)
	if sign != nil {
		flags |= signedFlag
		length += signatureLength
	}
	if len(padding) == 0 {
		padding = make([]byte, paddedTo-length%paddedTo)
		rand.Read(padding) // never fails
	}
	b := make([]byte, 0, length+len(padding))
	b = append(b, flags)
	b = append(b, size...)
	b = append(b, payload...)
	b = append(b, padding...)
	if sign == nil {
		return b, nil
	}
	signature, err := crypto.Sign(crypto.Keccak256(b), sign)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append(b, signature...), nil
}

// sizeLength returns the number of bytes that encode a payload's size: as few as possible,
// but at least one.
func sizeLength(payload int) int {
	n := 1
	for payload >>= 8; payload > 0; payload >>= 8 {
		n++
	}
	return n
}

// ParseContent parses decrypted bytes and recovers the signer's key. Payload and Padding
// alias b.
func ParseContent(b []byte) (*Content, error) {
	if len(b) < flagsLength {
		return nil, fmt.Errorf("%w: no bytes", ErrContent)
	}
	flags, body := b[0], b[flagsLength:]
	c := new(Content)
	if flags&signedFlag != 0 {
		if len(body) < signatureLength {
			return nil, fmt.Errorf("%w: signature has %d bytes, want %d", ErrContent, len(body), signatureLength)
		}
		end := len(body) - signatureLength
		var err error
		if c.Sender, err = signer(b[:flagsLength+end], body[end:]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrContent, err)
		}
		body = body[:end]
	}
	var size [4]byte
	n := int(flags & sizeMask)
	if len(body) < n {
		return nil, fmt.Errorf("%w: size has %d bytes, want %d", ErrContent, len(body), n)
	}
	copy(size[:], body[:n])
	body = body[n:]
	payload := int(binary.LittleEndian.Uint32(size[:]))
	if payload > len(body) {
		return nil, fmt.Errorf("%w: payload of %d bytes, only %d remain", ErrContent, payload, len(body))
	}
	c.Payload, c.Padding = body[:payload:payload], body[payload:]
	return c, nil
}

// signer recovers the signer's key. The last byte is the recovery ID. The EIP adds 27 to
// it and go-ethereum doesn't; signer accepts both.
func signer(signed, signature []byte) (*ecdsa.PublicKey, error) {
	sig := [signatureLength]byte(signature)
	if v := &sig[signatureLength-1]; *v >= 27 {
		*v -= 27
	}
	pub, err := crypto.SigToPub(crypto.Keccak256(signed), sig[:])
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return pub, nil
}

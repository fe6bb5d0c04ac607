package shh

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
)

// Content is what an envelope has inside, once it is decrypted.
type Content struct {
	Payload []byte
	Padding []byte
	Sender  *ecdsa.PublicKey // who signed it, nil if nobody did
}

// Its bytes are: flags, the payload's size, payload, padding, signature (EIP-627,
// "Contents of Data Field").
const (
	flagsLength = 1
	sizeMask    = 0x03 // of flags: how many bytes the payload's size has
	signedFlag  = 0x04 // of flags

	// paddedTo is what the bytes of a content are a multiple of: their number would tell
	// too much of the payload's.
	paddedTo = 256

	signatureLength = crypto.SignatureLength
	// maxPayload is what a size of three bytes can say. The EIP has a fourth, for which
	// two bits of flags have no number.
	maxPayload = 1<<24 - 1
)

// Errors of contents.
var (
	ErrContent         = errors.New("no content")
	ErrPayloadTooLarge = fmt.Errorf("payload is larger than %d bytes", maxPayload)
)

// EncodeContent gives the bytes to encrypt. Without padding of the caller's there is random
// padding up to a multiple of 256 bytes. sign may be nil.
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

// sizeLength is how many bytes tell a payload's size: as few as possible, but one.
func sizeLength(payload int) int {
	n := 1
	for payload >>= 8; payload > 0; payload >>= 8 {
		n++
	}
	return n
}

// ParseContent takes decrypted bytes apart and finds out who signed them. Payload and
// Padding are parts of b, not copies.
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
		return nil, fmt.Errorf("%w: payload of %d bytes, only %d are there", ErrContent, payload, len(body))
	}
	c.Payload, c.Padding = body[:payload:payload], body[payload:]
	return c, nil
}

// signer recovers who signed. The last byte is the recovery ID, which the EIP wants
// with 27 added and go-ethereum writes without: both are taken.
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

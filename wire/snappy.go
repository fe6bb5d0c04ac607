package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/golang/snappy"
)

// ErrCorrupt is the error of a payload that is not a snappy block.
var ErrCorrupt = errors.New("wire: corrupt snappy block")

// oneLiteral is the length in bytes of the longest payload that is written as a single literal without calling the
// compressor. The length of a longer literal doesn't fit the literal's tag. Compressing so short a payload saves
// little, and the compressor needs a 32 KiB stack frame.
const oneLiteral = 60

// AppendCompressed compresses payload and appends the unsealed frame of the message to dst. An Encoder seals it.
// Errors: ErrMessageTooLarge for a payload above MaxPayload, ErrFrameTooLarge for frame-data that is above MaxFrame
// after compression; dst is then returned at its old length.
func AppendCompressed(dst []byte, code uint64, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return dst, fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, len(payload))
	}
	start := len(dst)
	if len(payload) <= oneLiteral {
		dst = appendLiteral(openFrame(dst, code, 2+len(payload)), payload)
		return closeFrame(dst, start), nil
	}
	most := snappy.MaxEncodedLen(len(payload))
	dst = openFrame(dst, code, most)
	// Encode doesn't allocate if its destination has at least MaxEncodedLen bytes.
	block := snappy.Encode(dst[len(dst):len(dst)+most], payload)
	if size := len(dst) + len(block) - start - HeaderRoom; size > MaxFrame {
		return dst[:start], fmt.Errorf("%w: payload of %d bytes, %d compressed", ErrFrameTooLarge, len(payload), len(block))
	}
	return closeFrame(dst[:len(dst)+len(block)], start), nil
}

// Compress returns a payload in the form that AppendCompressed puts into a frame. AppendFrame lays the result out for
// any link with compression, so a message that goes to many links is compressed once. The result never aliases
// payload. The error is ErrMessageTooLarge.
func Compress(payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, len(payload))
	}
	if len(payload) <= oneLiteral {
		return appendLiteral(make([]byte, 0, 2+len(payload)), payload), nil
	}
	return slices.Clone(snappy.Encode(nil, payload)), nil // drops the capacity for the worst case
}

// appendLiteral appends payload as a snappy block. The payload is not longer than oneLiteral.
func appendLiteral(dst, payload []byte) []byte {
	dst = append(dst, byte(len(payload)))
	if len(payload) == 0 {
		return dst
	}
	dst = append(dst, byte(len(payload)-1)<<2)
	return append(dst, payload...)
}

// DecodedLen returns the decompressed size in bytes that a compressed payload claims. It checks that the claim is
// possible, not that it is true. Errors: ErrMessageTooLarge for more than MaxPayload, ErrCorrupt.
func DecodedLen(payload []byte) (int, error) {
	claim, n := binary.Uvarint(payload)
	if n <= 0 {
		return 0, breachf("%w: no valid length", ErrCorrupt)
	}
	if claim > MaxPayload {
		return 0, breachf("%w: the snappy block claims %d bytes", ErrMessageTooLarge, claim)
	}
	// No element decodes to more than 64/3 bytes per encoded byte. A literal of k bytes takes more than k. A copy of 2
	// bytes decodes to at most 11 bytes, one of 3 bytes to 64, one of 5 bytes to 64.
	if 3*claim > 64*uint64(len(payload)-n) {
		return 0, breachf("%w: %d bytes can't decode to the claimed %d", ErrCorrupt, len(payload)-n, claim)
	}
	return int(claim), nil
}

// Decompress decompresses payload into dst, which must have a capacity of at least DecodedLen(payload) bytes. The
// result is a part of dst. The error is one of DecodedLen's, ErrCorrupt, or io.ErrShortBuffer.
func Decompress(dst, payload []byte) ([]byte, error) {
	n, err := fits(dst, payload)
	if err != nil {
		return nil, err
	}
	out, err := snappy.Decode(dst[:n], payload)
	if err != nil {
		return nil, breachf("%w: %w", ErrCorrupt, err)
	}
	return out, nil
}

// fits returns the claimed size of a payload that dst has room for. The errors are those of Decompress.
func fits(dst, payload []byte) (int, error) {
	n, err := DecodedLen(payload)
	if err == nil && cap(dst) < n {
		err = fmt.Errorf("wire: decompressing %d bytes into a buffer of %d: %w", n, cap(dst), io.ErrShortBuffer)
	}
	return n, err
}

// Literal returns the content of a payload that is a single literal, as most short or incompressible payloads are.
// The content aliases payload, so the caller need not decompress or copy. Literal reports false for every other
// payload, corrupt ones included.
func Literal(payload []byte) ([]byte, bool) {
	claim, n := binary.Uvarint(payload)
	if n <= 0 {
		return nil, false
	}
	b := payload[n:]
	if claim == 0 || len(b) == 0 {
		return b, claim == 0 && len(b) == 0
	}
	if b[0]&3 != 0 {
		return nil, false
	}
	// A tag of 60 to 63 means that the length minus one follows in 1 to 4 bytes, little-endian.
	size, b := uint64(b[0]>>2), b[1:]
	if size >= oneLiteral {
		k := int(size) - oneLiteral + 1
		if len(b) < k {
			return nil, false
		}
		size = 0
		for i := range k {
			size |= uint64(b[i]) << (8 * i)
		}
		b = b[k:]
	}
	return b, size+1 == claim && claim == uint64(len(b))
}

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

// oneLiteral is the longest payload that is written as a literal without being searched for repetitions. The
// length of a longer one no longer fits the literal's tag, and there is little to gain: the compressor would need a
// 32 KiB stack frame to find it out.
const oneLiteral = 60

// AppendCompressed lays out a message with its payload compressed behind dst, to be sealed by an Encoder. Errors:
// ErrMessageTooLarge for a payload above MaxPayload, ErrFrameTooLarge for one that compression doesn't
// bring below MaxFrame; dst is then returned at its old length.
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
	// Encode takes room of that size without allocating and writes in place.
	block := snappy.Encode(dst[len(dst):len(dst)+most], payload)
	if size := len(dst) + len(block) - start - HeaderRoom; size > MaxFrame {
		return dst[:start], fmt.Errorf("%w: payload of %d bytes, %d compressed", ErrFrameTooLarge, len(payload), len(block))
	}
	return closeFrame(dst[:len(dst)+len(block)], start), nil
}

// Compress gives a payload as AppendCompressed puts it into a frame. AppendFrame lays it out, for any link with
// compression: what goes to many is compressed once. The result is never payload itself. The error is
// ErrMessageTooLarge.
func Compress(payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, len(payload))
	}
	if len(payload) <= oneLiteral {
		return appendLiteral(make([]byte, 0, 2+len(payload)), payload), nil
	}
	return slices.Clone(snappy.Encode(nil, payload)), nil // without the room for the worst case
}

// appendLiteral appends payload, not longer than oneLiteral, as a snappy block.
func appendLiteral(dst, payload []byte) []byte {
	dst = append(dst, byte(len(payload)))
	if len(payload) == 0 {
		return dst
	}
	dst = append(dst, byte(len(payload)-1)<<2)
	return append(dst, payload...)
}

// DecodedLen tells how many bytes a compressed payload decompresses to, by its own claim, which was checked for being
// possible but not for being true. Errors: ErrMessageTooLarge for more than MaxPayload, ErrCorrupt.
func DecodedLen(payload []byte) (int, error) {
	claim, n := binary.Uvarint(payload)
	if n <= 0 {
		return 0, breachf("%w: no length", ErrCorrupt)
	}
	if claim > MaxPayload {
		return 0, breachf("%w: snappy claims %d bytes", ErrMessageTooLarge, claim)
	}
	// No element yields more than 64/3 bytes for each of its own: a literal of k bytes takes more than k, a copy
	// yields at most 11 bytes for 2, 64 for 3, 64 for 5.
	if 3*claim > 64*uint64(len(payload)-n) {
		return 0, breachf("%w: %d bytes can't hold the %d they claim", ErrCorrupt, len(payload)-n, claim)
	}
	return int(claim), nil
}

// Decompress decompresses payload into dst, which must have a capacity of at least DecodedLen(payload) bytes; the
// result is a part of dst. The error is that of DecodedLen, ErrCorrupt, or io.ErrShortBuffer.
func Decompress(dst, payload []byte) ([]byte, error) {
	n, err := DecodedLen(payload)
	if err != nil {
		return nil, err
	}
	if cap(dst) < n {
		return nil, fmt.Errorf("wire: %d bytes to decompress into %d: %w", n, cap(dst), io.ErrShortBuffer)
	}
	out, err := snappy.Decode(dst[:n], payload)
	if err != nil {
		return nil, breachf("%w: %w", ErrCorrupt, err)
	}
	return out, nil
}

// Literal returns the content of a payload that holds a single literal, which is most payloads that are short or
// don't compress. It aliases payload, so that there is nothing to decompress and nothing to copy. It reports false for
// all others, corrupt ones among them.
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
	// A tag of 60 to 63 says that the length less one follows in 1 to 4 bytes, little-endian.
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

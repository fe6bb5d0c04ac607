package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/golang/snappy"
)

// compressionBlock is how many bytes snappy compresses independently of all others (framing of its encoder).
const compressionBlock = 64 << 10

// Compression is AppendCompressed in steps, so that the caller can let other work run in between.
type Compression struct {
	dst, src []byte // src is what is not compressed yet
	start    int    // of the frame in dst
	size     int    // of the payload
}

// NewCompression starts to append to dst the frame that AppendCompressed appends. Neither dst nor payload may be
// changed before the last Step. The error is ErrMessageTooLarge; ErrFrameTooLarge may come later, from Step.
func NewCompression(dst []byte, code uint64, payload []byte) (Compression, error) {
	if len(payload) > MaxPayload {
		return Compression{}, fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, len(payload))
	}
	x := Compression{start: len(dst), size: len(payload)}
	x.dst = openFrame(dst, code, snappy.MaxEncodedLen(len(payload)))
	if len(payload) <= oneLiteral {
		x.dst = appendLiteral(x.dst, payload)
		return x, nil
	}
	x.dst, x.src = binary.AppendUvarint(x.dst, uint64(len(payload))), payload
	return x, nil
}

// Step compresses at least n more bytes if so many are left, and at most 64 KiB more than that. It returns dst with
// the whole frame once that is complete, and nil before. The error is ErrFrameTooLarge.
func (x *Compression) Step(n int) (frame []byte, err error) {
	for ; n > 0 && len(x.src) > 0; n -= compressionBlock {
		size := min(compressionBlock, len(x.src))
		x.block(x.src[:size])
		x.src = x.src[size:]
	}
	if len(x.src) > 0 {
		return nil, nil
	}
	if size := len(x.dst) - x.start - HeaderRoom; size > MaxFrame {
		return nil, fmt.Errorf("%w: payload of %d bytes, %d compressed", ErrFrameTooLarge, x.size, size)
	}
	return closeFrame(x.dst, x.start), nil
}

// block appends one block. Encode begins its output with the length, which stands at the beginning of the whole payload
// already. So it writes that over the end of what is there, which block then restores.
func (x *Compression) block(b []byte) {
	var length, kept [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(b)))
	at := len(x.dst) - n
	copy(kept[:n], x.dst[at:])
	// Encode returns memory of its own if the room is less than its worst case.
	out := snappy.Encode(x.dst[at:cap(x.dst)], b)
	copy(out, kept[:n])
	if &out[0] == &x.dst[at] {
		x.dst = x.dst[:at+len(out)]
		return
	}
	x.dst = append(x.dst, out[n:]...)
}

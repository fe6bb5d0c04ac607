package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/rlp"
)

// Layout of a frame with n bytes of frame-data (message code and payload), the same before and after sealing:
//
//	header 16 | header MAC 16 | frame-data n | zeros up to a multiple of 16 | frame MAC 16
const (
	HeaderRoom = 32 // bytes before the frame-data: the header and its MAC
	macLen     = 16
)

// Errors of a message that is too large.
var (
	ErrFrameTooLarge   = errors.New("wire: message exceeds a frame of 16777215 bytes")
	ErrMessageTooLarge = errors.New("wire: payload exceeds 16777215 bytes")
)

// ErrBadMessage is the error of frame-data that doesn't begin with a valid message code.
var ErrBadMessage = errors.New("wire: malformed message code")

// FrameRoom returns the size in bytes, on the wire, of a frame with dataLen bytes of frame-data.
func FrameRoom(dataLen int) int { return HeaderRoom + pad16(dataLen) + macLen }

func pad16(n int) int { return (n + 15) &^ 15 }

func frameSize(header []byte) int {
	return int(header[0])<<16 | int(header[1])<<8 | int(header[2])
}

// FrameLen returns the size in bytes, on the wire, of the first of the laid-out, unsealed frames. It returns 0 if
// frames is shorter than a header.
func FrameLen(frames []byte) int {
	if len(frames) < HeaderRoom {
		return 0
	}
	return FrameRoom(frameSize(frames))
}

// SizeOf returns the size in bytes, on the wire, of the frame that AppendFrame lays out. The error is ErrFrameTooLarge.
func SizeOf(code uint64, payload []byte) (int, error) {
	data := rlp.IntSize(code) + len(payload)
	if data > MaxFrame {
		return 0, fmt.Errorf("%w: payload of %d bytes", ErrFrameTooLarge, len(payload))
	}
	return FrameRoom(data), nil
}

// AppendFrame appends the unsealed frame of an uncompressed message to dst. An Encoder seals it. The error is
// ErrFrameTooLarge; dst is then returned unchanged.
func AppendFrame(dst []byte, code uint64, payload []byte) ([]byte, error) {
	if len(payload) > MaxFrame-rlp.IntSize(code) {
		return dst, fmt.Errorf("%w: payload of %d bytes", ErrFrameTooLarge, len(payload))
	}
	start := len(dst)
	dst = openFrame(dst, code, len(payload))
	return closeFrame(append(dst, payload...), start), nil
}

// openFrame appends header room and message code, and grows dst for n bytes of payload, the padding and the frame MAC.
func openFrame(dst []byte, code uint64, n int) []byte {
	const most = HeaderRoom + 9 + 15 + macLen // header, code, padding, MAC
	dst = slices.Grow(dst, most+n)
	dst = append(dst, make([]byte, HeaderRoom)...)
	return rlp.AppendUint64(dst, code)
}

// closeFrame fills in the header of the frame that begins at start, and appends the padding and room for the MAC.
func closeFrame(dst []byte, start int) []byte {
	size := len(dst) - start - HeaderRoom
	h := dst[start : start+6]
	h[0], h[1], h[2] = byte(size>>16), byte(size>>8), byte(size)
	h[3], h[4], h[5] = 0xc2, 0x80, 0x80 // header-data: [capability-id, context-id], both always zero
	return append(dst, make([]byte, pad16(size)-size+macLen)...)
}

// ParseMessage splits frame-data into the message code, a canonical RLP integer, and the payload, which aliases frame.
// The error is ErrBadMessage.
func ParseMessage(frame []byte) (code uint64, payload []byte, err error) {
	code, payload, err = rlp.SplitUint64(frame)
	if err != nil {
		return 0, nil, breachf("%w: %w", ErrBadMessage, err)
	}
	return code, payload, nil
}

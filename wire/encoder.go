package wire

import (
	"errors"
	"fmt"
)

// ErrLayout is the error of Seal for bytes that are not whole frames. It is a mistake of the caller.
var ErrLayout = errors.New("wire: not a whole laid-out frame")

// Encoder seals the frames of one direction. It is not safe for concurrent use.
type Encoder struct{ direction }

// NewEncoder makes the encoder of a session.
func NewEncoder(s *Secrets) *Encoder {
	return &newCodec(s).enc
}

// Park frees what the next frame can compute again, more than three quarters of an Encoder's memory. Call it for idle
// links.
func (e *Encoder) Park() { e.park() }

// Seal encrypts and authenticates frames in place: one or more, back to back, as AppendFrame and AppendCompressed lay
// them out. Afterwards the caller must write all of them to the connection in this order, because the remote can't
// decrypt later frames without them. On error (ErrLayout) nothing was sealed.
func (e *Encoder) Seal(frames []byte) error {
	for rest := frames; len(rest) > 0; rest = rest[FrameLen(rest):] {
		if n := FrameLen(rest); n == 0 || n > len(rest) {
			return fmt.Errorf("%w: %d bytes of a frame of %d", ErrLayout, len(rest), n)
		}
	}
	e.unpark()
	for len(frames) > 0 {
		n := FrameLen(frames)
		e.seal(frames[:n])
		frames = frames[n:]
	}
	return nil
}

func (e *Encoder) seal(frame []byte) {
	header, headerMAC := frame[:16], frame[16:HeaderRoom]
	data, dataMAC := frame[HeaderRoom:len(frame)-macLen], frame[len(frame)-macLen:]
	e.stream.xor(header, header)
	e.stream.xor(data, data)
	h, d := e.mac.frame(header, data)
	copy(headerMAC, h[:])
	copy(dataMAC, d[:])
}

package wire

import (
	"errors"
	"fmt"
)

// ErrLayout is the error of bytes given to Seal that are not whole frames. It is a mistake of the caller.
var ErrLayout = errors.New("wire: not a whole laid-out frame")

// Encoder seals the frames of one direction. It is not safe for concurrent use.
type Encoder struct {
	stream keyStream
	mac    frameMAC
}

// NewEncoder makes the encoder of a session.
func NewEncoder(s *Secrets) *Encoder {
	return &Encoder{stream: keyStream{key: s.AES}, mac: newFrameMAC(s, &s.egress)}
}

// Park drops what the next frame makes again, three quarters of what an Encoder holds: for links that are quiet.
func (e *Encoder) Park() { e.stream.ctr, e.mac.block = nil, nil }

// Seal encrypts and authenticates frames where they lie: one or more, back to back, as AppendFrame and
// AppendCompressed have laid them out. Afterwards they must be written to the connection in this order, all of them,
// since the remote can't open what comes later without them. On error (ErrLayout) nothing was sealed.
func (e *Encoder) Seal(frames []byte) error {
	for rest := frames; len(rest) > 0; rest = rest[FrameLen(rest):] {
		if n := FrameLen(rest); n == 0 || n > len(rest) {
			return fmt.Errorf("%w: %d bytes of a frame of %d", ErrLayout, len(rest), n)
		}
	}
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

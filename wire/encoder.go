package wire

import (
	"crypto/cipher"
	"errors"
	"fmt"
)

// ErrLayout is the error of bytes given to Seal that are not whole frames. It is a mistake of the caller.
var ErrLayout = errors.New("wire: not a whole laid-out frame")

// Encoder seals the frames of one direction. It is not safe for concurrent use.
type Encoder struct {
	ctr cipher.Stream
	mac frameMAC
}

// NewEncoder makes the encoder of a session.
func NewEncoder(s *Secrets) *Encoder {
	return &Encoder{ctr: s.ctr(), mac: newFrameMAC(s.macBlock, &s.egress)}
}

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
	e.ctr.XORKeyStream(header, header)
	e.ctr.XORKeyStream(data, data)
	h, d := e.mac.frame(header, data)
	copy(headerMAC, h[:])
	copy(dataMAC, d[:])
}

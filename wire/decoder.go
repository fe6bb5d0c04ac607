package wire

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
)

// Errors of a frame that was damaged on its way, or isn't one.
var (
	ErrBadHeaderMAC = errors.New("wire: bad header MAC")
	ErrBadFrameMAC  = errors.New("wire: bad frame MAC")
)

// Decoder opens the frames of one direction. It is not safe for concurrent use.
type Decoder struct {
	ctr cipher.Stream
	mac frameMAC

	opened bool // the header of the next frame is verified, and it says:
	size   int  // bytes of frame-data
	err    error
	header [16]byte
}

// NewDecoder makes the decoder of a session.
func NewDecoder(s *Secrets) *Decoder {
	return &Decoder{ctr: s.ctr(), mac: newFrameMAC(&s.MAC, &s.ingress)}
}

// Next opens the next frame where it lies. buf begins with the first byte of the stream that was not consumed.
//
// n > 0: frame is the frame-data of a whole, verified frame. It aliases buf, of which n bytes are consumed.
//
// n == 0 and no error: more bytes are needed to go on, need in total from the beginning of buf. That is 32 for a header,
// and then the whole frame. Call again with the same bytes and more behind them; they may have moved meanwhile, their
// header is not looked at twice. The bytes of buf are changed only when a frame is returned.
//
// A header is verified before its length is believed. The errors are ErrBadHeaderMAC and ErrBadFrameMAC; cipher and MAC
// can't go on after them, so every later call returns the same.
func (d *Decoder) Next(buf []byte) (frame []byte, n, need int, err error) {
	if d.err != nil {
		return nil, 0, 0, d.err
	}
	if !d.opened {
		if len(buf) < HeaderRoom {
			return nil, 0, HeaderRoom, nil
		}
		if subtle.ConstantTimeCompare(d.mac.header(buf[:16]), buf[16:HeaderRoom]) != 1 {
			return d.fail(ErrBadHeaderMAC)
		}
		d.ctr.XORKeyStream(d.header[:], buf[:16])
		d.size = frameSize(d.header[:])
		d.opened = true
	}
	total := FrameRoom(d.size)
	if len(buf) < total {
		return nil, 0, total, nil
	}
	data := buf[HeaderRoom : total-macLen]
	if subtle.ConstantTimeCompare(d.mac.body(data), buf[total-macLen:total]) != 1 {
		return d.fail(ErrBadFrameMAC)
	}
	d.ctr.XORKeyStream(data, data)
	d.opened = false
	return data[:d.size], total, 0, nil
}

func (d *Decoder) fail(err error) ([]byte, int, int, error) {
	d.err = &breach{DiscProtocolError, err}
	return nil, 0, 0, d.err
}

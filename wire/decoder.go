package wire

import (
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
	stream keyStream
	mac    frameMAC

	opened bool // the header of the next frame is verified, and it says:
	size   int  // bytes of frame-data
	err    error
	header [16]byte
}

// NewDecoder makes the decoder of a session.
func NewDecoder(s *Secrets) *Decoder {
	return &Decoder{stream: keyStream{key: s.AES}, mac: newFrameMAC(s, &s.ingress)}
}

// Park drops what the next frame makes again, three quarters of what a Decoder holds: for links that are quiet.
func (d *Decoder) Park() { d.stream.ctr, d.mac.block = nil, nil }

// Next opens the next frame where it lies. buf begins with the first byte of the stream that was not consumed.
//
// n > 0: frame is the frame-data of a whole, verified frame. It aliases buf, of which n bytes are consumed.
//
// n == 0 and no error: more bytes are needed to go on, need in total from the beginning of buf. That is 32 for a header,
// and then the whole frame. Call again with the same bytes and more behind them; they may have moved meanwhile, their
// header is not looked at twice. The bytes of buf are changed only when a frame is returned.
//
// A header is verified before its length is believed, with one exception: when it claims no more than 64 KiB and so
// much is there already, both MACs are computed in one go, and still the header's is looked at first. The errors are
// ErrBadHeaderMAC and ErrBadFrameMAC; cipher and MAC can't go on after them, so every later call returns the same.
func (d *Decoder) Next(buf []byte) (frame []byte, n, need int, err error) {
	if d.err != nil {
		return nil, 0, 0, d.err
	}
	if !d.opened {
		if len(buf) < HeaderRoom {
			return nil, 0, HeaderRoom, nil
		}
		d.stream.xor(d.header[:], buf[:16])
		d.size = frameSize(d.header[:])
		if total := FrameRoom(d.size); d.size <= unverifiedSize && len(buf) >= total {
			headerMAC, dataMAC := d.mac.frame(buf[:16], buf[HeaderRoom:total-macLen])
			if !equalMAC(&headerMAC, buf[16:]) {
				return d.fail(ErrBadHeaderMAC)
			}
			return d.open(buf[:total], &dataMAC)
		}
		headerMAC := d.mac.header(buf[:16])
		if !equalMAC(&headerMAC, buf[16:]) {
			return d.fail(ErrBadHeaderMAC)
		}
		d.opened = true
	}
	total := FrameRoom(d.size)
	if len(buf) < total {
		return nil, 0, total, nil
	}
	d.opened = false
	dataMAC := d.mac.body(buf[HeaderRoom : total-macLen])
	return d.open(buf[:total], &dataMAC)
}

// unverifiedSize is how many bytes of frame-data a header may claim to be treated together with them: enough for what
// passes often, and no more work than an honest frame of that size.
const unverifiedSize = 64 << 10

// open decrypts a frame whose header is verified, if its own MAC is right.
func (d *Decoder) open(frame []byte, mac *[macLen]byte) ([]byte, int, int, error) {
	data := frame[HeaderRoom : len(frame)-macLen]
	if !equalMAC(mac, frame[len(frame)-macLen:]) {
		return d.fail(ErrBadFrameMAC)
	}
	d.stream.xor(data, data)
	return data[:d.size], len(frame), 0, nil
}

func equalMAC(mac *[macLen]byte, b []byte) bool {
	return subtle.ConstantTimeCompare(mac[:], b[:macLen]) == 1
}

func (d *Decoder) fail(err error) ([]byte, int, int, error) {
	d.err = &breach{DiscProtocolError, err}
	return nil, 0, 0, d.err
}

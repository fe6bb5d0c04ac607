package wire

import (
	"crypto/subtle"
	"errors"
)

// Errors of a frame that was damaged in transit or forged.
var (
	ErrBadHeaderMAC = errors.New("wire: bad header MAC")
	ErrBadFrameMAC  = errors.New("wire: bad frame MAC")
)

// Decoder opens the frames of one direction. It is not safe for concurrent use.
type Decoder struct{ direction }

// opening is what a Decoder knows of the frame at hand.
type opening struct {
	opened bool // the header of the next frame is verified
	size   int  // bytes of frame-data, from that header
	macced int  // bytes of its padded ciphertext that the MAC has absorbed
	err    error
	header [16]byte
}

// NewDecoder makes the decoder of a session.
func NewDecoder(s *Secrets) *Decoder {
	return &newCodec(s).dec
}

// Park frees what the next frame can compute again, more than three quarters of a Decoder's memory. Call it for idle
// links. Amid a frame, and after an error, it does nothing.
func (d *Decoder) Park() {
	if d.work != nil && !d.opened && d.err == nil {
		d.park()
	}
}

// Next decrypts the next frame in place. buf begins with the first byte of the stream that is not yet consumed.
//
// n > 0: frame is the frame-data of a whole, verified frame. It aliases buf, of which n bytes are consumed.
//
// n == 0 and no error: Next needs more bytes, in total need bytes from the beginning of buf. That is 32 for a header,
// and then the whole frame. Call Next again with the same bytes and more after them. The bytes may be at another
// address by then; no byte is read twice. So the work on a large frame is done as it arrives. Next changes the bytes of buf only when it returns a frame.
//
// Next verifies a header before it trusts the length, with one exception: if the header claims no more than 64 KiB and
// the whole frame is in buf already, both MACs are computed together. The header's MAC is still checked first. The
// errors are ErrBadHeaderMAC and ErrBadFrameMAC. Cipher and MAC can't continue after them, so every later call returns
// the same error.
func (d *Decoder) Next(buf []byte) (frame []byte, n, need int, err error) {
	d.unpark()
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
	arrived := buf[HeaderRoom:min(len(buf), total-macLen)]
	d.mac.absorb(arrived[d.macced:])
	d.macced = len(arrived)
	if len(buf) < total {
		return nil, 0, total, nil
	}
	d.opened, d.macced = false, 0
	dataMAC := d.mac.body()
	return d.open(buf[:total], &dataMAC)
}

// unverifiedSize is the largest claimed size in bytes of frame-data for which both MACs are computed together. It covers
// the common sizes, and a forged header costs no more work than an honest frame of that size.
const unverifiedSize = 64 << 10

// open decrypts a frame whose header is verified, if the frame's own MAC is right.
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

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A handshake packet is a size in two bytes, big-endian, and that many bytes of an ECIES message (EIP-8).
const (
	prefixLen = 2
	maxPacket = 2048 // bytes after the prefix; no client sends more, and no remote may make us buffer more
	// usualPacket has room for an auth or ack with 300 bytes of padding and for what follows directly (the recipient's
	// Hello), so one read usually gets all of it.
	usualPacket = 1024
)

var (
	errShortPacket = errors.New("packet too short")
	errPacketSize  = errors.New("packet size out of range")
)

// NoPacketError is the error of ReadPacket for bytes that can't begin a handshake packet; AcceptAuth wraps it. A caller
// that serves other protocols on the same port continues with the bytes in Read.
type NoPacketError struct {
	Read []byte // at least two bytes, at most 1,024; the caller owns them
	err  error
}

// Error returns a text that contains the size that the packet would have.
func (e *NoPacketError) Error() string { return e.err.Error() }

// Unwrap returns the error in which ReasonOf finds the reason to answer with.
func (e *NoPacketError) Unwrap() error { return e.err }

// ReadPacket reads one handshake packet, auth or ack, from r in as few reads as possible. It returns the packet with
// its size prefix, and in rest the bytes read after it. It reads and keeps at most about 2 KiB. For an incomplete packet
// the error contains the number of bytes read; it is io.EOF if there were none, otherwise io.ErrUnexpectedEOF. If the
// stream begins with a size that no packet has, the error is a *NoPacketError.
func ReadPacket(r io.Reader) (packet, rest []byte, err error) {
	buf := make([]byte, usualPacket)
	n, err := io.ReadAtLeast(r, buf, prefixLen)
	if err != nil {
		return nil, nil, fmt.Errorf("wire: reading a handshake packet: %w after %d bytes", err, n)
	}
	size := int(binary.BigEndian.Uint16(buf))
	if size < eciesOverhead || size > maxPacket {
		err := breachf("wire: %w: %d bytes, want %d to %d", errPacketSize, size, eciesOverhead, maxPacket)
		return nil, nil, &NoPacketError{Read: buf[:n:n], err: err}
	}
	total := prefixLen + size
	if n < total {
		if total > len(buf) {
			grown := make([]byte, total)
			copy(grown, buf[:n])
			buf = grown
		}
		more, err := io.ReadAtLeast(r, buf[n:], total-n)
		n += more
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, nil, fmt.Errorf("wire: reading a handshake packet: %w after %d of %d bytes", err, n, total)
		}
	}
	return buf[:total:total], buf[total:n], nil
}

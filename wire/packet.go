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
	maxPacket = 2048 // bytes behind the prefix; no client sends more, and none may ask us to keep more
	// usualPacket holds an auth or ack padded by 300 bytes and what follows at once (the Hello of a recipient), so that
	// one read gets all of it.
	usualPacket = 1024
)

var (
	errShortPacket = errors.New("packet too short")
	errPacketSize  = errors.New("packet size out of range")
)

// NoPacketError is the error of ReadPacket, found in that of AcceptAuth, for bytes that can begin no handshake packet. Who
// expects other protocols on the same port goes on with what was read.
type NoPacketError struct {
	Read []byte // two bytes at least, 1,024 at most; the receiver's to keep
	err  error
}

// Error says which size the packet would have.
func (e *NoPacketError) Error() string { return e.err.Error() }

// Unwrap gives the reason that the remote deserves to hear, as ReasonOf finds it.
func (e *NoPacketError) Unwrap() error { return e.err }

// ReadPacket reads one handshake packet, auth or ack, from r in as few reads as possible. It returns the packet with
// its size prefix, and in rest what was read behind it. Not more than about 2 KiB are read or kept. Of an incomplete
// packet the error says how much came; it is io.EOF only if nothing did, otherwise io.ErrUnexpectedEOF. What begins with
// a size that no packet has is a *NoPacketError.
func ReadPacket(r io.Reader) (packet, rest []byte, err error) {
	buf := make([]byte, usualPacket)
	n, err := io.ReadAtLeast(r, buf, prefixLen)
	if err != nil {
		return nil, nil, fmt.Errorf("wire: %d bytes of a handshake packet came: %w", n, err)
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
			return nil, nil, fmt.Errorf("wire: %d of %d bytes of a handshake packet came: %w", n, total, err)
		}
	}
	return buf[:total:total], buf[total:n], nil
}

package stun

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
)

// maxStream is the size of the longest response that is read from a stream, in bytes: about twice that of
// one with an IPv6 address.
const maxStream = 96

// errOtherRequest says that a response has the ID of another request.
var errOtherRequest = errors.New("a STUN response to another request")

// Ask sends a Binding request over a TCP connection to another node, and reads under which endpoint that
// node sees this end. It reads not a byte more than the response. It blocks until the response is there or
// conn fails: the caller sets the deadline.
func Ask(conn io.ReadWriter) (seen netip.AddrPort, err error) {
	id := NewID()
	if _, err := conn.Write(Request(id)); err != nil {
		return seen, err
	}
	response := make([]byte, HeaderSize, maxStream)
	if _, err := io.ReadFull(conn, response); err != nil {
		return seen, err
	}
	rest, ok := BodySize(response)
	if !ok {
		return seen, errLength
	}
	response = response[:HeaderSize+rest]
	if _, err := io.ReadFull(conn, response[HeaderSize:]); err != nil {
		return seen, err
	}
	answered, seen, err := ParseResponse(response)
	switch {
	case err != nil:
		return netip.AddrPort{}, err
	case answered != id:
		return netip.AddrPort{}, errOtherRequest
	}
	return seen, nil
}

// BodySize returns how many bytes of a message follow its header on a stream. ok is false if header does
// not have HeaderSize bytes, or if the message is longer than any response to our request.
func BodySize(header []byte) (n int, ok bool) {
	if len(header) != HeaderSize {
		return 0, false
	}
	n = int(binary.BigEndian.Uint16(header[2:]))
	return n, n <= maxStream-HeaderSize
}

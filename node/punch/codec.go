package punch

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
)

// The kinds of request; the first byte of each.
const (
	kindHello = 1 + iota
	kindCall
	kindRing
	kindOpen
)

// status is the result of a request.
type status uint8

const (
	accepted      status = iota
	unknownNode          // the target is not in the relay's table
	overLimit            // over a limit; the sender may try again later
	refused              // for another reason
	notReady             // ask again in 300 ms
	tcpImpossible        // a NAT is address-dependent, so TCP cannot work
	callsCrossed         // a call of the answerer's own continues instead
)

// maxRequest is the size of the longest message that is decoded, in bytes. The longest real one is a HELLO,
// with a record of 300 bytes.
const maxRequest = 512

// endpoint is an endpoint in a message. A decoded one is valid.
type endpoint struct{ netip.AddrPort }

type rlpEndpoint struct {
	IP   []byte
	Port uint16
	Rest []rlp.RawValue `rlp:"tail"`
}

// EncodeRLP implements rlp.Encoder.
func (e endpoint) EncodeRLP(w io.Writer) error {
	return rlp.Encode(w, rlpEndpoint{IP: e.Addr().Unmap().AsSlice(), Port: e.Port()})
}

// DecodeRLP implements rlp.Decoder.
func (e *endpoint) DecodeRLP(s *rlp.Stream) error {
	var r rlpEndpoint
	if err := s.Decode(&r); err != nil {
		return err
	}
	ip, ok := netip.AddrFromSlice(r.IP)
	if !ok || ip.Is4In6() || r.Port == 0 {
		return errors.New("invalid endpoint")
	}
	e.AddrPort = netip.AddrPortFrom(ip, r.Port)
	return nil
}

// hello asks a neighbour what it sees, and to list the sender.
type hello struct {
	Record *enr.Record
	TCP    bool           // a connection from our listening port follows
	Rest   []rlp.RawValue `rlp:"tail"`
}

type helloAnswer struct {
	Observed   endpoint
	SecondPort uint16
	Rest       []rlp.RawValue `rlp:"tail"`
}

// call asks a neighbour to ring a node. The padding makes it no smaller than the RING that follows.
type call struct {
	Target  enode.ID
	Token   token
	Padding []byte
	Rest    []rlp.RawValue `rlp:"tail"`
}

// callPadding is the size of an IPv6 endpoint in RLP, in bytes.
const callPadding = 24

type callAnswer struct {
	Status status
	Target *endpoint      `rlp:"optional"` // only with accepted
	Rest   []rlp.RawValue `rlp:"tail"`
}

// ring notifies the target of a call.
type ring struct {
	Caller   enode.ID
	Endpoint endpoint
	Token    token
	Rest     []rlp.RawValue `rlp:"tail"`
}

type ringAnswer struct {
	Status status
	Rest   []rlp.RawValue `rlp:"tail"`
}

// open asks the target for the time at which both connect by TCP.
type open struct {
	Token token
	Port  uint16
	NAT   NAT
	Delay uint16         // milliseconds
	Rest  []rlp.RawValue `rlp:"tail"`
}

type openAnswer struct {
	Status status
	Port   uint16
	NAT    NAT
	Rest   []rlp.RawValue `rlp:"tail"`
}

// encodeRequest returns the bytes of a request. It panics if msg is none.
func encodeRequest(msg any) []byte {
	var kind byte
	switch msg.(type) {
	case hello:
		kind = kindHello
	case call:
		kind = kindCall
	case ring:
		kind = kindRing
	case open:
		kind = kindOpen
	default:
		panic(fmt.Sprintf("punch: %T is not a request", msg))
	}
	return append([]byte{kind}, encode(msg)...)
}

// encode returns the bytes of an answer, or of a request without its kind.
func encode(msg any) []byte {
	b, err := rlp.EncodeToBytes(msg)
	if err != nil {
		panic(fmt.Sprintf("punch: encoding %T: %v", msg, err)) // a bug: every message can be encoded
	}
	return b
}

var errRequest = errors.New("hole punching: invalid message")

// decodeRequest reads a remote's request. The result is one of the request types, by value.
func decodeRequest(b []byte) (any, error) {
	if len(b) < 2 || len(b) > maxRequest {
		return nil, errRequest
	}
	switch body := b[1:]; b[0] {
	case kindHello:
		return decode[hello](body)
	case kindCall:
		return decode[call](body)
	case kindRing:
		return decode[ring](body)
	case kindOpen:
		return decode[open](body)
	}
	return nil, errRequest
}

// decode reads a remote's answer, or its request without the kind. An empty answer is ErrUnsupported.
func decode[T any](b []byte) (msg T, err error) {
	if len(b) == 0 {
		return msg, ErrUnsupported
	}
	if len(b) > maxRequest {
		return msg, errRequest
	}
	if err := rlp.DecodeBytes(b, &msg); err != nil {
		return msg, fmt.Errorf("%w: %w", errRequest, err)
	}
	return msg, nil
}

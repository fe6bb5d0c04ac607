package stun

import (
	"errors"
	"net"
	"net/netip"

	"github.com/pion/stun/v3"
)

// paddedRequestSize is the size of the longest response, which has an IPv6 address, in bytes. A request
// over UDP is at least as long: the sender may have forged its address, and must not make us send more to
// the victim than it sent to us.
const paddedRequestSize = 44

// Why bytes are not the expected message.
var (
	errNotSTUN = errors.New("not a STUN message")
	errType    = errors.New("a STUN message of another type")
	errLength  = errors.New("a STUN message whose length is wrong")
	errAddress = errors.New("a STUN response without an endpoint")
)

// Request returns a Binding request without attributes, for TCP and for public servers. It is HeaderSize
// bytes long.
func Request(id ID) []byte { return newMessage(stun.BindingRequest, id).Raw }

// PaddedRequest returns a Binding request for another node over UDP. The attribute PADDING (RFC 5780)
// makes it as long as the longest response.
func PaddedRequest(id ID) []byte {
	const attributeHeader = 4
	m := newMessage(stun.BindingRequest, id)
	m.Add(stun.AttrPadding, make([]byte, paddedRequestSize-HeaderSize-attributeHeader))
	return m.Raw
}

// AnswerDatagram returns the response to a request that came over UDP from an endpoint. It is never longer than
// the request. ok is false if there is nothing to answer: the datagram is not a Binding request, or is
// shorter than a PaddedRequest, or from is not valid.
func AnswerDatagram(request []byte, from netip.AddrPort) (response []byte, ok bool) {
	if len(request) < paddedRequestSize {
		return nil, false
	}
	return answer(request, from)
}

// AnswerStream returns the response to a request that came over TCP from an endpoint. ok is false if there is
// nothing to answer: the bytes are not a Binding request without attributes, or from is not valid.
func AnswerStream(request []byte, from netip.AddrPort) (response []byte, ok bool) {
	if len(request) != HeaderSize {
		return nil, false
	}
	return answer(request, from)
}

func answer(request []byte, from netip.AddrPort) (response []byte, ok bool) {
	asked, err := parse(request, stun.BindingRequest)
	if err != nil || !from.IsValid() || from.Port() == 0 {
		return nil, false
	}
	m := newMessage(stun.BindingSuccess, asked.TransactionID)
	seen := stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())}
	if seen.AddTo(m) != nil {
		return nil, false
	}
	return m.Raw, true
}

// ParseResponse reads the success response of another node: the ID of the request, and the endpoint
// under which the node saw its sender. The caller checks that it sent a request with that ID. Only
// XOR-MAPPED-ADDRESS counts, because NATs may rewrite the older MAPPED-ADDRESS. An IPv4-mapped IPv6
// address is an error.
func ParseResponse(b []byte) (id ID, seen netip.AddrPort, err error) {
	m, err := parse(b, stun.BindingSuccess)
	if err != nil {
		return ID{}, netip.AddrPort{}, err
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(m); err != nil {
		return ID{}, netip.AddrPort{}, err
	}
	seen, err = endpoint(mapped.IP, mapped.Port)
	if err != nil || seen.Addr().Is4In6() {
		return ID{}, netip.AddrPort{}, errAddress
	}
	return m.TransactionID, seen, nil
}

// ParseServerResponse is ParseResponse for public servers. It also accepts MAPPED-ADDRESS, which is all that
// servers of RFC 3489 send, and an IPv4-mapped IPv6 address.
func ParseServerResponse(b []byte) (id ID, seen netip.AddrPort, err error) {
	m, err := parse(b, stun.BindingSuccess)
	if err != nil {
		return ID{}, netip.AddrPort{}, err
	}
	var mapped stun.XORMappedAddress
	if mapped.GetFrom(m) != nil {
		var plain stun.MappedAddress
		if err := plain.GetFrom(m); err != nil {
			return ID{}, netip.AddrPort{}, err
		}
		mapped.IP, mapped.Port = plain.IP, plain.Port
	}
	seen, err = endpoint(mapped.IP, mapped.Port)
	if err != nil {
		return ID{}, netip.AddrPort{}, err
	}
	return m.TransactionID, netip.AddrPortFrom(seen.Addr().Unmap(), seen.Port()), nil
}

// endpoint converts what the library read. It refuses an endpoint that no sender can have.
func endpoint(ip net.IP, port int) (netip.AddrPort, error) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || addr.Unmap().IsUnspecified() || port <= 0 || port > 1<<16-1 {
		return netip.AddrPort{}, errAddress
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

package node

import (
	"net/netip"

	"github.com/pion/stun/v3"
)

// On a connection to the listening port, a STUN Binding request may stand in place of an
// RLPx auth: somebody wants to know under which endpoint others see him (see
// docs/hole-punching.md). An auth can't begin like that: its first two bytes are its size.

const (
	// bindingLength is a STUN message without attributes (RFC 8489, section 5), in bytes.
	bindingLength = 20
	// maxBinding is what is read of an answer: twice what one with an IPv6 address takes.
	maxBinding = 96
)

// newBinding is the request. The transaction ID is drawn by the library, from the system's
// randomness.
func newBinding() ([]byte, error) {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return nil, err
	}
	return m.Raw, nil
}

// answerBinding answers a request from somebody who is seen under an endpoint; not ok: it is
// no request, or nobody knows what to answer.
func answerBinding(request []byte, from netip.AddrPort) (answer []byte, ok bool) {
	asked, ok := parseBinding(request, stun.BindingRequest)
	if !ok || len(request) != bindingLength || !from.IsValid() || from.Port() == 0 {
		return nil, false
	}
	seen := &stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())}
	m, err := stun.Build(asked, stun.BindingSuccess, seen)
	if err != nil {
		return nil, false
	}
	return m.Raw, true
}

// readBinding reads the answer to a request.
func readBinding(answer, request []byte) (seen netip.AddrPort, ok bool) {
	asked, ok := parseBinding(request, stun.BindingRequest)
	if !ok {
		return seen, false
	}
	m, ok := parseBinding(answer, stun.BindingSuccess)
	var mapped stun.XORMappedAddress
	if !ok || m.TransactionID != asked.TransactionID || mapped.GetFrom(m) != nil || mapped.Port <= 0 || mapped.Port > 1<<16-1 {
		return seen, false
	}
	ip, ok := netip.AddrFromSlice(mapped.IP)
	if !ok || ip.Unmap().IsUnspecified() {
		return seen, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(mapped.Port)), true
}

// bindingRest says how many bytes of an answer come behind its first ones; not ok: it would
// be too long.
func bindingRest(header []byte) (n int, ok bool) {
	if len(header) != bindingLength {
		return 0, false
	}
	n = int(header[2])<<8 | int(header[3])
	return n, n <= maxBinding-bindingLength
}

// parseBinding reads a message of one type, and nothing behind it. The first two bits, which
// tell STUN from other protocols, are not looked at by the library.
func parseBinding(b []byte, kind stun.MessageType) (*stun.Message, bool) {
	if len(b) < bindingLength || len(b) > maxBinding || b[0]&0xc0 != 0 {
		return nil, false
	}
	m := &stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != kind || len(b) != bindingLength+int(m.Length) {
		return nil, false
	}
	return m, true
}

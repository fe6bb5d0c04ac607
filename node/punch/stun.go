package punch

import (
	"net/netip"

	"github.com/pion/stun/v3"
)

// Lengths of the STUN messages (RFC 8489) that are sent over UDP, in bytes.
const (
	openerLength = 20 // the header alone, so that it is no longer than the RING that asks for it
	// requestLength is that of the longest answer, which has an IPv6 address: whoever gives
	// the address of another for his own has nothing multiplied.
	requestLength = 44
	// stunLimit is what is looked at, which keeps a datagram of 64 KiB from being taken to pieces.
	stunLimit = 1280
)

// token is a STUN transaction ID. It binds an opener to a call, and an answer to a request.
type token [stun.TransactionIDSize]byte

// openerType is what no server answers, and no NAT has opinions on: it is used to keep
// bindings alive.
var openerType = stun.NewType(stun.MethodBinding, stun.ClassIndication)

// opener is the datagram that opens our NAT for its receiver.
func opener(t token) []byte { return newSTUN(openerType, t).Raw }

// openerToken tells an opener from all else that comes in at the port.
func openerToken(datagram []byte) (token, bool) {
	if len(datagram) != openerLength {
		return token{}, false
	}
	m, ok := parseSTUN(datagram, openerType)
	if !ok {
		return token{}, false
	}
	return m.TransactionID, true
}

// bindingRequest asks another port what it sees. It is as long as the answer can get.
func bindingRequest(t token) []byte {
	m := newSTUN(stun.BindingRequest, t)
	m.Add(stun.AttrPadding, make([]byte, requestLength-openerLength-4)) // 4: the attribute's header
	return m.Raw
}

// bindingResponse is the answer of the other port to a request from there. It is not ok
// where there is none: to what is no Binding request, or one shorter than any answer.
func bindingResponse(request []byte, from netip.AddrPort) (answer []byte, ok bool) {
	asked, ok := parseSTUN(request, stun.BindingRequest)
	if !ok || len(request) < requestLength || !from.IsValid() || from.Port() == 0 {
		return nil, false
	}
	m := newSTUN(stun.BindingSuccess, asked.TransactionID)
	seen := stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())}
	if seen.AddTo(m) != nil {
		return nil, false
	}
	return m.Raw, true
}

// bindingAnswer reads what another port saw. Whether it was asked, by t, is for the caller to say.
func bindingAnswer(datagram []byte) (t token, seen netip.AddrPort, ok bool) {
	m, ok := parseSTUN(datagram, stun.BindingSuccess)
	if !ok {
		return token{}, netip.AddrPort{}, false
	}
	var mapped stun.XORMappedAddress
	if mapped.GetFrom(m) != nil {
		return token{}, netip.AddrPort{}, false
	}
	addr, ok := netip.AddrFromSlice(mapped.IP)
	if !ok || addr.Is4In6() || addr.IsUnspecified() || mapped.Port <= 0 || mapped.Port > 65535 {
		return token{}, netip.AddrPort{}, false
	}
	return m.TransactionID, netip.AddrPortFrom(addr, uint16(mapped.Port)), true
}

// newSTUN is a message without attributes.
func newSTUN(kind stun.MessageType, t token) *stun.Message {
	m := stun.New()
	m.Type, m.TransactionID = kind, t
	m.WriteHeader()
	return m
}

// parseSTUN reads a message of one type that fills the whole datagram. The two bits that
// tell STUN from other protocols on its port are looked at here, as the library doesn't.
func parseSTUN(datagram []byte, kind stun.MessageType) (*stun.Message, bool) {
	if len(datagram) == 0 || len(datagram) > stunLimit || datagram[0]&0xc0 != 0 {
		return nil, false
	}
	m := &stun.Message{Raw: datagram}
	if m.Decode() != nil || m.Type != kind || len(datagram) != openerLength+int(m.Length) {
		return nil, false
	}
	return m, true
}

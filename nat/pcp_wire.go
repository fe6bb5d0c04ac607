package nat

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// The layout of PCP messages: RFC 6887 §7.1, §7.2, §11.1, §14.1.
const (
	pcpVersion    = 2
	pcpAnnounce   = 0
	pcpMap        = 1
	pcpResponse   = 0x80
	pcpHeader     = 24
	pcpMapPayload = 36
	pcpMaxPacket  = 1100
)

// pcpNonce identifies a mapping: requests with the same nonce are about the same mapping of the
// same client.
type pcpNonce [12]byte

// pcpRequest is a MAP request, or an ANNOUNCE if protocol is 0.
type pcpRequest struct {
	client   netip.Addr // our address, as seen by the router
	lifetime uint32     // seconds; 0 deletes
	nonce    pcpNonce
	protocol Protocol
	internal InternalPort
	external ExternalPort // 0: any
	ip       netip.Addr   // preferred external address; invalid: any
}

func (r pcpRequest) append(b []byte) []byte {
	op := byte(pcpMap)
	if r.protocol == 0 {
		op = pcpAnnounce
	}
	b = append(b, pcpVersion, op, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.lifetime)
	b = append16(b, r.client)
	if op == pcpAnnounce {
		return b
	}
	b = append(b, r.nonce[:]...)
	b = append(b, r.protocol.iana(), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(r.internal))
	b = binary.BigEndian.AppendUint16(b, uint16(r.external))
	ip := r.ip
	if !ip.IsValid() {
		ip = netip.IPv4Unspecified()
	}
	return append16(b, ip)
}

// append16 appends an address as IPv6; IPv4 addresses are IPv4-mapped.
func append16(b []byte, ip netip.Addr) []byte {
	a := ip.As16()
	return append(b, a[:]...)
}

// pcpAnswer is a response to MAP or ANNOUNCE. The MAP fields are zero in an ANNOUNCE, and in an
// error response without them.
type pcpAnswer struct {
	op       byte
	code     int
	lifetime time.Duration
	epoch    uint32
	nonce    pcpNonce
	protocol byte
	internal InternalPort
	external ExternalPort
	ip       netip.Addr
}

// errNotPCP is the answer of a router that speaks NAT-PMP only (RFC 6887 appendix A).
type errNotPCP struct{ version byte }

func (e errNotPCP) Error() string {
	return fmt.Sprintf("the router answers with version %d, which is not PCP's", e.version)
}

// parsePCP parses a response. It never panics, whatever the bytes are.
func parsePCP(b []byte) (a pcpAnswer, err error) {
	if len(b) >= 2 && b[0] != pcpVersion && b[1]&pcpResponse != 0 {
		return a, errNotPCP{b[0]}
	}
	if len(b) < pcpHeader || len(b) > pcpMaxPacket || len(b)%4 != 0 {
		return a, fmt.Errorf("response of %d bytes", len(b))
	}
	if b[0] != pcpVersion {
		return a, errNotPCP{b[0]}
	}
	if b[1]&pcpResponse == 0 {
		return a, fmt.Errorf("got a request instead of a response")
	}
	a.op, a.code = b[1]&^pcpResponse, int(b[3])
	a.lifetime = time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Second
	a.epoch = binary.BigEndian.Uint32(b[8:])
	b = b[pcpHeader:]
	switch {
	case a.op != pcpMap:
		return a, nil
	case len(b) < pcpMapPayload && a.code == 0:
		return a, fmt.Errorf("MAP response with %d bytes of payload", len(b))
	case len(b) < pcpMapPayload:
		return a, nil // a short error response
	}
	copy(a.nonce[:], b)
	a.protocol = b[12]
	a.internal = InternalPort(binary.BigEndian.Uint16(b[16:]))
	a.external = ExternalPort(binary.BigEndian.Uint16(b[18:]))
	a.ip = netip.AddrFrom16([16]byte(b[20:36])).Unmap()
	return a, nil
}

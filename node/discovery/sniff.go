package discovery

import (
	"encoding/binary"
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// What every STUN message begins with (RFC 8489, section 5): two bits of zero, and after
// its type and length this number.
const (
	stunHeader = 20
	stunCookie = 0x2112A442
)

// mayBeSTUN says whether a datagram looks like STUN. One of discovery's own does by chance,
// once in 2^34.
func mayBeSTUN(data []byte) bool {
	return len(data) >= stunHeader && data[0]&0xc0 == 0 && binary.BigEndian.Uint32(data[4:]) == stunCookie
}

// sniffed says whether a datagram that may be STUN needs no further look: because
// Config.Sniff took it, or because there are too many of them.
func (m *mux) sniffed(data []byte, from netip.AddrPort, tell func(any)) bool {
	if !netaddr.Allowed(m.restrict, from.Addr()) {
		return false
	}
	if _, patient := m.consider(others, from, tell); !patient {
		m.traffic.strangers.Add(1)
		return true
	}
	if !m.sniff(data, from) {
		return false
	}
	m.traffic.sniffed.Add(1)
	return true
}

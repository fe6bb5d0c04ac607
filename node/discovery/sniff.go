package discovery

import (
	"encoding/binary"
	"net/netip"
)

// Every STUN message begins with two zero bits, and contains this number after its type and length
// (RFC 8489 §5).
const (
	stunHeader = 20
	stunCookie = 0x2112A442
)

// mayBeSTUN reports whether a datagram looks like STUN. A discovery packet does so by chance once
// in 2^34.
func mayBeSTUN(data []byte) bool {
	return len(data) >= stunHeader && data[0]&0xc0 == 0 && binary.BigEndian.Uint32(data[4:]) == stunCookie
}

// sniffed reports whether a datagram that may be STUN is finished: Config.Sniff consumed it, or it
// exceeds the rate limit.
func (m *mux) sniffed(data []byte, from netip.AddrPort, send func(any)) bool {
	if !contains(m.restrict, from.Addr()) {
		return false
	}
	if _, allowed := m.classify(others, from, send); !allowed {
		m.traffic.strangers.Add(1)
		return true
	}
	if !m.sniff(data, from) {
		return false
	}
	m.traffic.sniffed.Add(1)
	return true
}

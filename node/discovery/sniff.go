package discovery

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

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

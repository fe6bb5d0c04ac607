package discovery

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// sniffed reports whether a datagram that may be STUN is finished: Config.Sniff consumed it, or it
// exceeds the rate limit.
func (m *mux) sniffed(data []byte, from netip.AddrPort, send func(any)) bool {
	if !netaddr.Allowed(m.restrict, from.Addr()) {
		return false
	}
	if known, allowed := m.classify(others, from, send); !allowed {
		if known {
			m.traffic.contacts.Add(1)
		} else {
			m.traffic.strangers.Add(1)
		}
		return true
	}
	if !m.sniff(data, from) {
		return false
	}
	m.traffic.sniffed.Add(1)
	return true
}

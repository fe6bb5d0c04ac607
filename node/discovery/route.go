package discovery

import (
	"fmt"
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// route returns the socket that reaches an address. It fails if NetRestrict does not allow the
// address.
func (m *mux) route(to netip.AddrPort) (best *socket, err error) {
	ip := to.Addr().Unmap()
	if !netaddr.Allowed(m.restrict, ip) {
		return nil, fmt.Errorf("%v is outside of the allowed networks", to)
	}
	rank := 0
	for _, s := range m.sockets {
		if r := reach(netaddr.Of(s.conn.LocalAddr()).Addr(), ip); r > rank {
			best, rank = s, r
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no UDP socket reaches %v", to)
	}
	return best, nil
}

// reach rates how well a socket that is bound to an address reaches another address; 0 means not at
// all. A socket bound to no address, or to ::, may serve both families.
func reach(bound, to netip.Addr) int {
	bound = bound.Unmap()
	wild := !bound.IsValid() || bound.IsUnspecified()
	switch {
	case wild && bound.Is4() == to.Is4():
		return 2
	case wild && !bound.Is4():
		return 1
	case wild, bound.Is4() != to.Is4():
		return 0
	case bound.IsLoopback() == to.IsLoopback():
		return 3
	case to.IsLoopback():
		return 1
	}
	return 0
}

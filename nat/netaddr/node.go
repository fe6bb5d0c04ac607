package netaddr

import (
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// Endpoints lists the TCP endpoints under which n can be dialed, by its record: first the endpoint that
// the record prefers, then that of the other address family. The list is empty for a node without one.
func Endpoints(n *enode.Node) []netip.AddrPort {
	var list []netip.AddrPort
	if ap, ok := n.TCPEndpoint(); ok {
		list = append(list, Unmap(ap))
	}
	var (
		ip4        enr.IPv4Addr
		ip6        enr.IPv6Addr
		tcp4, tcp6 uint16
	)
	add := func(ip netip.Addr, port uint16) {
		ap := netip.AddrPortFrom(ip.Unmap(), port)
		if ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && port != 0 && (len(list) == 0 || list[0] != ap) {
			list = append(list, ap)
		}
	}
	if n.Load((*enr.TCP)(&tcp4)) == nil && n.Load(&ip4) == nil {
		add(netip.Addr(ip4), tcp4)
	}
	if n.Load((*enr.TCP6)(&tcp6)) != nil {
		tcp6 = tcp4 // EIP-778: without a tcp6 entry, the tcp entry holds for both families
	}
	if n.Load(&ip6) == nil {
		add(netip.Addr(ip6), tcp6)
	}
	return list
}

// Addrs lists the addresses of Endpoints, in the same order.
func Addrs(n *enode.Node) []netip.Addr {
	var list []netip.Addr
	for _, ap := range Endpoints(n) {
		list = append(list, ap.Addr())
	}
	return list
}

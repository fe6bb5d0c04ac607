package netaddr

import "net/netip"

const (
	// An IPv4 address is one host. In IPv6, each host usually has a /64 to itself (RFC 4291,
	// section 2.5.1), and can use any address in it.
	hostBits4, hostBits6 = 32, 64
	// An IPv4 /24 is the smallest network that is commonly routed. An IPv6 /48 is what a site
	// commonly gets (RFC 6177).
	networkBits4, networkBits6 = 24, 48
)

// Host returns the range of addresses that counts as the host of ip: an IPv4 address or an IPv6 /64.
// It is the zero Prefix if ip is invalid.
func Host(ip netip.Addr) netip.Prefix { return group(ip, hostBits4, hostBits6) }

// Network returns the range of addresses that counts as the network of ip: an IPv4 /24 or an
// IPv6 /48. It is the zero Prefix if ip is invalid.
func Network(ip netip.Addr) netip.Prefix { return group(ip, networkBits4, networkBits6) }

func group(ip netip.Addr, bits4, bits6 int) netip.Prefix {
	ip = ip.Unmap()
	bits := bits6
	if ip.Is4() {
		bits = bits4
	}
	return netip.PrefixFrom(ip.WithZone(""), bits).Masked()
}

// Allowed reports whether ip lies in one of the networks. An empty list allows every address, an
// invalid one included. A list that is not empty allows neither an invalid address, which a connection
// in memory has, nor an address with a zone.
func Allowed(networks []netip.Prefix, ip netip.Addr) bool {
	if len(networks) == 0 {
		return true
	}
	ip = ip.Unmap()
	for _, p := range networks {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

package netaddr

import (
	"fmt"
	"net/netip"
	"strings"
)

// mappedBits is the length of the prefix ::ffff:0:0/96, which marks an IPv4-mapped IPv6 address.
const mappedBits = 96

// ParseAddr parses an IP address. It ignores blanks around it, and returns an IPv4-mapped IPv6
// address as the IPv4 address that it holds. Everything that takes an address from a person or a file
// uses it, so that an address means the same everywhere.
func ParseAddr(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(strings.TrimSpace(text))
	return ip.Unmap(), err
}

// ParseNetwork parses a network in CIDR notation, as [Canonical] writes it. It ignores blanks around it.
func ParseNetwork(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(strings.TrimSpace(text))
	if err != nil {
		return netip.Prefix{}, err
	}
	return Canonical(p)
}

// Canonical returns the network that p stands for: without the bits behind the prefix, and in IPv4 if
// p is written with an IPv4-mapped IPv6 address (::ffff:10.0.0.0/104 is 10.0.0.0/8). Every other IPv6
// network, also ::/0, contains IPv6 addresses only. It returns an error for an invalid Prefix, and for
// a mapped one of less than 96 bits, which is no IPv4 network.
func Canonical(p netip.Prefix) (netip.Prefix, error) {
	switch ip := p.Addr(); {
	case !p.IsValid():
		return netip.Prefix{}, fmt.Errorf("not a network: %v", p)
	case !ip.Is4In6():
		return p.Masked(), nil
	case p.Bits() < mappedBits:
		return netip.Prefix{}, fmt.Errorf("%v is an IPv4-mapped address with a prefix shorter than /%d: write the network as IPv4", p, mappedBits)
	default:
		return netip.PrefixFrom(ip.Unmap(), p.Bits()-mappedBits).Masked(), nil
	}
}

// CanonicalNetworks returns the networks as [Canonical] returns each.
func CanonicalNetworks(networks []netip.Prefix) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, p := range networks {
		c, err := Canonical(p)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

package nat

import (
	"fmt"
	"net/netip"
)

// special are the ranges that no packet from the Internet reaches, beyond what netip
// knows by name.
var special = []struct {
	prefix netip.Prefix
	words  string
}{
	{netip.MustParsePrefix("100.64.0.0/10"), "an address of a carrier's NAT"}, // RFC 6598
	{netip.MustParsePrefix("0.0.0.0/8"), "no address yet"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a protocol's own address"},     // RFC 6890, DS-Lite among others
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"}, // RFC 5737
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a test network's address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
}

// notPublic says why ip can't be reached from the Internet; empty if it can.
func notPublic(ip netip.Addr) string {
	ip = ip.Unmap()
	switch {
	case !ip.IsValid(), ip.IsUnspecified():
		return "no address"
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsPrivate():
		return "a private address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case !ip.IsGlobalUnicast():
		return "not an address of a host"
	}
	for _, s := range special {
		if s.prefix.Contains(ip) {
			return s.words
		}
	}
	return ""
}

// doubleNAT says what it means that a router has this address; empty if it is fine.
func doubleNAT(ip netip.Addr) string {
	words := notPublic(ip)
	switch {
	case words == "":
		return ""
	case !ip.IsValid(), ip.IsUnspecified():
		return "double NAT or no connection: the router has no external address"
	}
	return fmt.Sprintf("double NAT: the router's own address %v is %s, so nobody reaches what it maps", ip, words)
}

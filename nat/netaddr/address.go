package netaddr

import "net/netip"

// carrierNAT is the address space that carriers and overlay networks use behind their own NAT
// (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// special are the ranges that are not public, beyond those that package netip has a method for. The
// list is the union of the IANA special-purpose registries (RFC 6890) as go-ethereum's netutil has
// them and of the ranges in which an IPv6 address stands for an IPv4 one. The first match gives the reason.
var special = []struct {
	prefix netip.Prefix
	why    string
}{
	{carrierNAT, "an address of a carrier-grade NAT"},
	{netip.MustParsePrefix("0.0.0.0/8"), "an address of \"this network\""},          // RFC 791
	{netip.MustParsePrefix("192.0.0.0/24"), "a protocol's own address"},             // RFC 6890: DS-Lite, PCP anycast, NAT64 discovery
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},         // RFC 5737
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},      // RFC 5737
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},       // RFC 5737
	{netip.MustParsePrefix("192.31.196.0/24"), "an address of the AS112 service"},   // RFC 7535
	{netip.MustParsePrefix("192.175.48.0/24"), "an address of the AS112 service"},   // RFC 7534
	{netip.MustParsePrefix("192.52.193.0/24"), "an address of the AMT service"},     // RFC 7450
	{netip.MustParsePrefix("192.88.99.0/24"), "an address of the 6to4 relays"},      // RFC 7526
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},           // RFC 2544
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},          // RFC 919
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},                    // RFC 1112
	{netip.MustParsePrefix("::/96"), "an IPv6 address that stands for an IPv4 one"}, // RFC 4291, section 2.5.5.1
	{netip.MustParsePrefix("64:ff9b::/96"), "a NAT64 address"},                      // RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a NAT64 address"},                    // RFC 8215
	{netip.MustParsePrefix("100::/64"), "a discard-only address"},                   // RFC 6666
	{netip.MustParsePrefix("2001::/32"), "a Teredo address"},                        // RFC 4380
	{netip.MustParsePrefix("2001:1::1/128"), "a protocol's own address"},            // RFC 7723: PCP anycast
	{netip.MustParsePrefix("2001:2::/48"), "an address for benchmarks"},             // RFC 5180
	{netip.MustParsePrefix("2001:3::/32"), "an address of the AMT service"},         // RFC 7450
	{netip.MustParsePrefix("2001:4:112::/48"), "an address of the AS112 service"},   // RFC 7535
	{netip.MustParsePrefix("2001:5::/32"), "an identifier of a LISP endpoint"},      // RFC 7954
	{netip.MustParsePrefix("2001:10::/28"), "a cryptographic identifier (ORCHID)"},  // RFC 4843
	{netip.MustParsePrefix("2001:20::/28"), "a cryptographic identifier (ORCHID)"},  // RFC 7343
	{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},        // RFC 3849
	{netip.MustParsePrefix("2002::/16"), "a 6to4 address"},                          // RFC 3056
}

// Public reports whether ip is a unicast address of the public Internet. At the request of a stranger, a
// node sends only to such an address.
func Public(ip netip.Addr) bool { return WhyNotPublic(ip) == "" }

// WhyNotPublic says in words what ip is instead of a public address, such as "a private address". It
// returns the empty string if ip is public. A zone is ignored.
func WhyNotPublic(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case !ip.IsValid(), ip.IsUnspecified():
		return "no address"
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsPrivate(): // RFC 1918, RFC 4193
		return "a private address"
	case ip.IsLinkLocalUnicast(): // RFC 3927, RFC 4291
		return "a link-local address"
	case ip.IsMulticast(): // RFC 5771, RFC 4291
		return "a multicast address"
	}
	for _, s := range special {
		if s.prefix.Contains(ip) {
			return s.why
		}
	}
	return ""
}

// Private reports whether ip does not identify a host on the Internet: it is invalid, loopback,
// private, link-local, or of a carrier-grade NAT. Many nodes share few such addresses by design, so
// limits for each host or network do not apply to them. An address can be neither private nor public:
// one for documentation, for example.
func Private(ip netip.Addr) bool {
	ip = ip.Unmap()
	return Local(ip) || ip.IsPrivate() || ip.IsLinkLocalUnicast() || carrierNAT.Contains(ip)
}

// Local reports whether ip belongs to this machine: it is loopback or invalid. The address of a
// connection in memory is invalid.
func Local(ip netip.Addr) bool { return !ip.IsValid() || ip.Unmap().IsLoopback() }

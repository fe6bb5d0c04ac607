package punch

import (
	"net/netip"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// carriers is what carriers use behind a NAT of their own (RFC 6598).
var carriers = netip.MustParsePrefix("100.64.0.0/10")

// nobodys has no hosts of the Internet, and isn't in the library's lists: what is reserved (RFC
// 1112), and IPv6 addresses that stand for IPv4 ones, of private networks as well (RFC 4291,
// 6052, 8215).
var nobodys = []netip.Prefix{
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
}

// Public says whether an address is one of the Internet's, where strangers may be told to send to.
func Public(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !netutil.AddrIsLAN(ip) && !netutil.AddrIsSpecialNetwork(ip) && !carriers.Contains(ip) &&
		!slices.ContainsFunc(nobodys, func(p netip.Prefix) bool { return p.Contains(ip) })
}

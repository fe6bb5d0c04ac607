package punch

import (
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// carriers is what carriers use behind a NAT of their own (RFC 6598).
var carriers = netip.MustParsePrefix("100.64.0.0/10")

// public says whether an address is one of the Internet's.
func public(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !netutil.AddrIsLAN(ip) && !netutil.AddrIsSpecialNetwork(ip) && !carriers.Contains(ip)
}

package nat

import (
	"fmt"
	"net/netip"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// doubleNAT returns the warning for a router whose external address is ip. It is empty if ip is public.
func doubleNAT(ip netip.Addr) string {
	why := netaddr.WhyNotPublic(ip)
	switch {
	case why == "":
		return ""
	case !ip.IsValid(), ip.IsUnspecified():
		return "double NAT or no connection: the router has no external address"
	}
	return fmt.Sprintf("double NAT: the router's own address %v is %s, so ports that it maps cannot be reached", ip, why)
}

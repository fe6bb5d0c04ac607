package head

import "net/netip"

// Network returns the IP network that an address votes for: its /24, or its /48 for IPv6. All
// loopback addresses are one, and so are all invalid ones.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return netip.Prefix{}
	case a.IsLoopback():
		return netip.PrefixFrom(netip.IPv6Loopback(), 128)
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // cannot be: the bits fit the address
	}
	return p
}

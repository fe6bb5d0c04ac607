package netaddr

import (
	"net"
	"net/netip"
)

// Of returns the IP address and port of a TCP or UDP address. It returns the zero AddrPort for other
// kinds of address.
func Of(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	case interface{ AddrPort() netip.AddrPort }:
		ap = a.AddrPort()
	}
	return Unmap(ap)
}

// Unmap returns ap with its IPv4-mapped IPv6 address, if it has one, replaced by the IPv4 address.
func Unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

package listen

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/ethereum/go-ethereum/p2p/discover"
)

// network returns the arguments of net.Listen for an address. Without an IP one socket serves
// IPv4 and IPv6, or the one of them that the machine has. With an IP it serves that family
// alone, so that 0.0.0.0 and :: may both be configured.
func network(protocol string, on netip.AddrPort) (network, address string) {
	switch {
	case !on.Addr().IsValid():
		return protocol, net.JoinHostPort("", strconv.Itoa(int(on.Port())))
	case on.Addr().Is4():
		return protocol + "4", on.String()
	}
	return protocol + "6", on.String()
}

// TCP opens a listener with SO_REUSEADDR and SO_REUSEPORT, so that later dials can use the
// node's listening port as their source. With SO_REUSEPORT a second node could also take half
// of the connections of the first one. Therefore TCP first binds without it, which fails if
// another process listens there.
func TCP(ctx context.Context, on netip.AddrPort) (net.Listener, error) {
	network, address := network("tcp", on)
	if on.Port() != 0 {
		probe, err := new(net.ListenConfig).Listen(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if err := probe.Close(); err != nil {
			return nil, err
		}
	}
	// The pinger keeps a link alive, so keep-alive of TCP is not needed.
	lc := net.ListenConfig{Control: reuse, KeepAlive: -1}
	return lc.Listen(ctx, network, address)
}

// UDP opens a UDP socket.
func UDP(ctx context.Context, on netip.AddrPort) (discover.UDPConn, error) {
	conn, err := UDPPacket(ctx, on)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil // as net documents for UDP
}

// UDPPacket is UDP as a net.PacketConn.
func UDPPacket(ctx context.Context, on netip.AddrPort) (net.PacketConn, error) {
	network, address := network("udp", on)
	return new(net.ListenConfig).ListenPacket(ctx, network, address)
}

// Dial opens a TCP connection.
func Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	return d.DialContext(ctx, "tcp", to.String())
}

// DialFrom opens a TCP connection from a port on which the node listens. It works if [Reusable]
// is true.
func DialFrom(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, LocalAddr: net.TCPAddrFromAddrPort(from), Control: reuse}
	network, _ := network("tcp", from)
	return d.DialContext(ctx, network, to.String())
}

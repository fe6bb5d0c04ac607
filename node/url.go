package node

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/listen"
)

// LocalURL returns the enode URL by which programs on this machine reach the node. It has the
// node's first listening address, or 127.0.0.1 if the node listens on all addresses. It is
// empty for a node that does not listen.
func (n *Node) LocalURL() string {
	sockets := started(n, nil, func() *listen.Sockets { return n.sockets })
	if sockets == nil || len(sockets.Bound()) == 0 {
		return ""
	}
	at := sockets.Bound()[0]
	ip := at.Addr()
	if !ip.IsValid() || ip.IsUnspecified() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	udp := at.Port()
	if port := sockets.UDPPort(); port != 0 && n.cfg.Discovery.Port != 0 {
		udp = port
	}
	return n.record.URLAt(netip.AddrPortFrom(ip, at.Port()), udp)
}

// URL returns the enode URL by which other nodes reach this one. It has the address of the
// node's record, which changes with the router's. It is empty for a node that can't be reached
// by TCP.
func (n *Node) URL() string { return n.record.URL() }

// listenAddr returns the first address that the node listens on. It is empty if there is none.
func (n *Node) listenAddr() string {
	if sockets := started(n, nil, func() *listen.Sockets { return n.sockets }); sockets != nil {
		return sockets.Addr()
	}
	return ""
}

// NAT returns how the node's ports are mapped at the router. ok is false if port mapping is
// disabled or has no result yet.
func (n *Node) NAT() (status nat.Status, ok bool) { return n.record.NAT() }

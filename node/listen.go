package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/offer"
)

// portTries is how often a number is drawn that should be free for TCP and UDP.
const portTries = 16

// listen opens a socket for each address of the configuration, all of them or none.
func (n *Node) listen(ctx context.Context) error {
	for range portTries {
		again, err := n.tryListen(ctx)
		if err == nil {
			return nil
		}
		n.closeListeners()
		n.closeUDP()
		if !again {
			return err
		}
	}
	return fmt.Errorf("listen: no number free for TCP and UDP on all addresses in %d tries", portTries)
}

// tryListen draws one number for all addresses with port 0. again says that another
// number may do better.
func (n *Node) tryListen(ctx context.Context) (again bool, err error) {
	var drawn uint16
	n.acceptors, n.udp = nil, nil
	for _, on := range n.cfg.Listen {
		free := on.Port() == 0
		if free {
			on = netip.AddrPortFrom(on.Addr(), drawn)
		}
		ln, err := n.cfg.ListenFunc(ctx, on)
		if err != nil {
			return free && drawn != 0, fmt.Errorf("listen on %v: %w", on, err)
		}
		n.acceptors = append(n.acceptors, &acceptor{n: n, ln: ln})
		if !free || drawn != 0 {
			continue
		}
		tcp, ok := ln.Addr().(*net.TCPAddr)
		if !ok {
			continue // not a network where UDP has numbers
		}
		if !freeForUDP(tcp) {
			return true, fmt.Errorf("listen: UDP port %d is taken", tcp.Port)
		}
		drawn = uint16(tcp.Port)
	}
	return drawn != 0, n.listenUDP(ctx)
}

func freeForUDP(at *net.TCPAddr) bool {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
	return err == nil && conn.Close() == nil
}

// closeListeners closes the sockets. It may be called again.
func (n *Node) closeListeners() {
	for _, a := range n.acceptors {
		if err := a.ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			n.log.Debug("closing a listener", "addr", a.ln.Addr(), "err", err)
		}
	}
}

// closeUDP closes the sockets of discovery, where that has not come to do it.
func (n *Node) closeUDP() {
	for _, conn := range n.udp {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			n.log.Debug("closing a socket", "addr", conn.LocalAddr(), "err", err)
		}
	}
}

// network says how to listen on an address. Without an IP one socket serves IPv4 and
// IPv6, or what of them the machine has; with one it serves that family alone, so that
// 0.0.0.0 and :: may be given side by side.
func network(protocol string, on netip.AddrPort) (network, address string) {
	switch {
	case !on.Addr().IsValid():
		return protocol, net.JoinHostPort("", strconv.Itoa(int(on.Port())))
	case on.Addr().Is4():
		return protocol + "4", on.String()
	}
	return protocol + "6", on.String()
}

// listenTCP opens a socket with SO_REUSEADDR and SO_REUSEPORT, so that later dials can
// leave from the port that the node is known by. SO_REUSEPORT would also let a second
// node take half of the first one's connections; therefore a bind without it comes first,
// which fails if anybody listens there.
func listenTCP(ctx context.Context, on netip.AddrPort) (net.Listener, error) {
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
	// Pings keep a link alive; the kernel need not do so too.
	lc := net.ListenConfig{Control: reuse, KeepAlive: -1}
	return lc.Listen(ctx, network, address)
}

// dialTCP is what opens connections unless the configuration has something else.
func dialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	return d.DialContext(ctx, "tcp", to.String())
}

// dialTCPFrom opens a connection that leaves from a port on which the node listens.
func dialTCPFrom(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, LocalAddr: net.TCPAddrFromAddrPort(from), Control: reuse}
	network, _ := network("tcp", from)
	return d.DialContext(ctx, network, to.String())
}

// announce makes the record that fits the listening sockets, and tells the Hello.
func (n *Node) announce() error {
	if spec, ok := n.natSpec(); ok && spec.Method == nat.MethodFixed {
		// Nobody has to be asked, so the first record is right already.
		n.outside = nat.ExternalAddress{
			IP: spec.IP, TCPPort: nat.ExternalPort(n.listenPort()), UDPPort: nat.ExternalPort(n.udpPort()),
			Method: spec.Method, Confidence: nat.Configured,
		}
	}
	kept, unreadable := lastRecord(n.cfg.DataDir)
	if unreadable != nil {
		n.log.Warn("previous node record replaced", "err", unreadable)
	}
	if err := n.openLocal(kept); err != nil {
		return err
	}
	offered, err := offer.New(n.key, n.cfg.Name, uint64(n.listenPort()), n.offer.Load().Mounted)
	if err != nil {
		return err
	}
	n.offer.Store(offered)
	_, err = n.renewRecord(kept)
	return err
}

// listenPort is the port of the first listening address, 0 if there is none.
func (n *Node) listenPort() uint16 {
	if len(n.acceptors) == 0 {
		return 0
	}
	return netaddr.Of(n.acceptors[0].ln.Addr()).Port()
}

// listening is where others reach the node by the addresses that it listens on, with a
// guess where it listens on all.
func (n *Node) listening() endpoint {
	e := endpoint{udp: n.udpPort()}
	for _, a := range n.acceptors {
		at := netaddr.Of(a.ln.Addr())
		if !at.Addr().IsValid() {
			continue
		}
		ip, sure := at.Addr(), certain
		if ip.IsUnspecified() {
			ip, sure = n.likely(), guessed
		}
		if ip.Is4() && !e.ip4.IsValid() {
			e.ip4, e.tcp4, e.sure4 = ip, at.Port(), sure
		}
		if ip.Is6() && !e.ip6.IsValid() {
			e.ip6, e.tcp6, e.sure6 = ip.WithZone(""), at.Port(), sure
		}
	}
	return e
}

// likely is where a node that listens on all addresses is for all that anybody knows: at
// one that the machine has on the Internet, which spares the first nodes of a network the
// riddle of who tells whom where he is, or else on loopback.
func (n *Node) likely() netip.Addr {
	for _, ip := range n.machineAddrs() {
		if ip.Is4() && netaddr.Public(ip) {
			return ip
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// machineAddrs are the addresses of the machine.
func (n *Node) machineAddrs() []netip.Addr {
	list, err := n.cfg.OwnAddrs()
	if err != nil {
		n.log.Debug("the machine's addresses are not known", "err", err)
	}
	return list
}

// interfaceAddrs are the addresses of the machine's interfaces.
func interfaceAddrs() ([]netip.Addr, error) {
	interfaces, err := net.InterfaceAddrs()
	var list []netip.Addr
	for _, a := range interfaces {
		if prefix, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(prefix.IP); ok {
				list = append(list, ip.Unmap())
			}
		}
	}
	return list, err
}

// boundTo is the address for the NAT actor: the one that the node listens on, not valid
// where that is all of them. Of several, one that is not loopback counts: a router may
// lead there.
func (n *Node) boundTo() netip.Addr {
	var bound netip.Addr
	for _, a := range n.acceptors {
		ip := netaddr.Of(a.ln.Addr()).Addr()
		if !ip.IsValid() || ip.IsUnspecified() {
			return netip.Addr{}
		}
		if !bound.IsValid() || bound.IsLoopback() && !ip.IsLoopback() {
			bound = ip
		}
	}
	return bound
}

// LocalURL is the enode URL by which programs on this machine reach the node: with its
// first listening address, or 127.0.0.1 where it listens on all. It is empty for a node
// that doesn't listen.
func (n *Node) LocalURL() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.acceptors) == 0 {
		return ""
	}
	at := netaddr.Of(n.acceptors[0].ln.Addr())
	ip := at.Addr()
	if !ip.IsValid() || ip.IsUnspecified() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	udp := at.Port()
	if port := n.udpPort(); port != 0 && n.cfg.Discovery.Port != 0 {
		udp = port
	}
	return n.urlAt(netip.AddrPortFrom(ip, at.Port()), udp)
}

// URL is the enode URL by which others reach the node: with the address of its record,
// which changes with what the router says. It is empty for a node that nobody can reach
// by TCP.
func (n *Node) URL() string {
	self := n.Self()
	at, ok := self.TCPEndpoint()
	if !ok {
		return ""
	}
	udp := at.Port()
	if there, ok := self.UDPEndpoint(); ok {
		udp = there.Port() // a NAT may give each a number of its own
	}
	return n.urlAt(at, udp)
}

func (n *Node) urlAt(at netip.AddrPort, udp uint16) string {
	return enode.NewV4(&n.key.PublicKey, at.Addr().AsSlice(), int(at.Port()), int(udp)).URLv4()
}

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// nodesDir is where a data directory has the nodes that discovery has met.
const nodesDir = "nodes"

// Discovery says how a node looks for others, and lets itself be found. discovery.Preset
// has what public networks want.
type Discovery struct {
	// V4 and V5 are the versions of the node discovery protocol to speak.
	V4, V5 bool
	// Port is the UDP port. Zero: the number of the TCP port, on each listening address.
	Port uint16
	// Bootnodes are who v4 asks first, BootnodesV5 who v5 does.
	Bootnodes, BootnodesV5 []*enode.Node
	// DNS are lists of nodes to read, enrtree:// URLs (EIP-1459).
	DNS []string

	// ListenFunc opens a UDP socket. Nil: a real one.
	ListenFunc func(ctx context.Context, on netip.AddrPort) (discover.UDPConn, error)
	// Resolver reads the lists. Nil: the system's.
	Resolver dnsdisc.Resolver
}

func (d *Discovery) speaks() bool { return d != nil && (d.V4 || d.V5) }

// on says whether there is anything to search with.
func (d *Discovery) on() bool { return d.speaks() || d != nil && len(d.DNS) > 0 }

// check says what is wrong with bootnodes and lists.
func (d *Discovery) check() error {
	if d == nil {
		return nil
	}
	for _, n := range append(append([]*enode.Node{}, d.Bootnodes...), d.BootnodesV5...) {
		if n == nil {
			return errors.New("node config: a bootnode is missing")
		}
		if n.Hostname() != "" {
			continue // checked when it is looked up
		}
		if err := n.ValidateComplete(); err != nil {
			return fmt.Errorf("node config: bootnode %v: %w", n, err)
		}
	}
	for _, list := range d.DNS {
		if _, _, err := dnsdisc.ParseURL(list); err != nil {
			return fmt.Errorf("node config: list of nodes %q: %w", list, err)
		}
	}
	return nil
}

// listenUDP opens a socket for each listening address, or for all addresses where the node
// only dials.
func (n *Node) listenUDP(ctx context.Context) error {
	d := n.cfg.Discovery
	if !d.speaks() {
		return nil
	}
	open := d.ListenFunc
	if open == nil {
		open = openUDP
	}
	for _, on := range n.udpAddrs() {
		conn, err := open(ctx, on)
		if err != nil {
			return fmt.Errorf("listen for discovery on %v: %w", on, err)
		}
		n.udp = append(n.udp, conn)
	}
	return nil
}

func (n *Node) udpAddrs() []netip.AddrPort {
	d := n.cfg.Discovery
	if len(n.acceptors) == 0 {
		return []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, d.Port)}
	}
	var all []netip.AddrPort
	for i, a := range n.acceptors {
		port := d.Port
		if port == 0 {
			port = netaddr.Of(a.ln.Addr()).Port()
		}
		all = append(all, netip.AddrPortFrom(n.cfg.Listen[i].Addr(), port))
	}
	return all
}

func openUDP(ctx context.Context, on netip.AddrPort) (discover.UDPConn, error) {
	network, address := network("udp", on)
	conn, err := new(net.ListenConfig).ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil // which is what it gives for UDP
}

// udpPort is the port on which discovery listens, 0 if it doesn't.
func (n *Node) udpPort() uint16 {
	if len(n.udp) == 0 {
		return 0
	}
	return netaddr.Of(n.udp[0].LocalAddr()).Port()
}

// openLocal makes the record that discovery works with, which learns from what peers say,
// with the database of the nodes that were met. It continues the numbers of the record
// that was kept: the node may have run without discovery meanwhile, and have signed it
// itself.
func (n *Node) openLocal(kept *enode.Node) error {
	if !n.cfg.Discovery.on() {
		return nil
	}
	var dir string // none: in memory
	if n.cfg.DataDir != "" {
		dir = filepath.Join(n.cfg.DataDir, nodesDir)
	}
	db, err := enode.OpenDB(dir)
	if err != nil {
		return fmt.Errorf("node database (does another node run with this data directory?): %w", err)
	}
	n.nodes, n.local = db, enode.NewLocalNode(db, n.key)
	if kept != nil && kept.ID() == n.id {
		if err := overtake(n.local, kept.Seq()); err != nil {
			n.log.Warn("others may take an older record for newer", "err", err)
		}
	}
	return nil
}

// discoveryProps makes the Props of the discovery actor; not ok where it is off.
func (n *Node) discoveryProps() (props *actor.Props, ok bool, err error) {
	d := n.cfg.Discovery
	if !d.on() {
		return nil, false, nil
	}
	c := discovery.Config{
		Key: n.key, Local: n.local, Conns: n.udp, V4: d.V4, V5: d.V5,
		Bootnodes: d.Bootnodes, BootnodesV5: d.BootnodesV5, DNS: d.DNS,
		NetRestrict: n.cfg.NetRestrict, Want: func() func(*enode.Node) bool { return n.offer.Load().Wanted() },
		Inbound:  func(from netip.AddrPort) { n.cameIn(nat.UDP, from.Addr()) },
		Resolver: d.Resolver, LookupHost: n.cfg.LookupHost,
		Clock: n.rt.Clock, Journal: n.rt.Journal, Logger: n.log.With("lib", "discovery"),
	}
	n.punchBy(&c)
	props, err = discovery.Props(c)
	return props, err == nil, err
}

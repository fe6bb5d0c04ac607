package node

import (
	"context"
	"net"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/punch"
)

// HolePunching says how the node gets past NATs at which nobody maps a port, and helps others
// past theirs; docs/hole-punching.md is the protocol. The zero value: it does, where discovery
// v5 runs and the node listens.
type HolePunching struct {
	// Off leaves it alone. The node's record then says nothing of it.
	Off bool
	// Private lets endpoints on loopback and private networks take part, too: for networks that
	// have no others, and tests. Anywhere else, strangers could make the node send datagrams
	// to its neighbours at home.
	Private bool
}

// punches says whether the node takes part.
func (c Config) punches() bool {
	return !c.HolePunching.Off && c.Discovery != nil && c.Discovery.V5 && len(c.Listen) > 0
}

// beliefs is what the log says when the node believes something new of its NAT.
var beliefs = map[punch.NAT]string{
	punch.Unknown:             "NAT unknown: too few neighbours say what they see of the node",
	punch.Open:                "no NAT in the way: others reach the node without help",
	punch.EndpointIndependent: "behind a NAT that maps alike for all: others reach the node by punching a hole",
	punch.AddressDependent:    "behind a NAT that maps by address: holes can be punched for UDP to some nodes, for TCP only to those that are open",
}

// openDesk makes what hole punching and discovery have in common, where it is on.
func (n *Node) openDesk() {
	if !n.cfg.punches() {
		return
	}
	n.line = discovery.NewLine()
	c := punch.Config{
		ID: n.id, Self: n.Self, Line: n.line,
		OwnAddrs: n.ownAddrs, Private: n.cfg.HolePunching.Private,
		Refuse:  n.shuns,
		Inbound: n.takeIn,
		Changed: func(s punch.State) { n.toAnnouncer(&punchChanged{state: s}) },
		Clock:   n.rt.Clock, Rand: n.cfg.Rand, Journal: n.rt.Journal, Logger: n.log.With("part", "hole punching"),
	}
	if n.door != nil {
		c.TCPPort = n.door
	}
	if n.cfg.Discovery.ListenFunc == nil {
		c.OpenSecondPort = n.openOther
	}
	n.desk = punch.New(c)
}

// shuns says whether hole punching has nothing to do with a node.
func (n *Node) shuns(id enode.ID, addr netip.Addr) bool {
	return !netaddr.Allowed(n.cfg.NetRestrict, addr) || n.roster.bar(caller{id: id, addr: addr}) != nil
}

// punchBy gives discovery what belongs to hole punching.
func (n *Node) punchBy(c *discovery.Config) {
	if n.desk != nil {
		c.Line, c.Sniff = n.line, n.desk.Sniff
		c.Talk = map[string]discovery.TalkHandler{punch.Protocol: n.desk.Handle}
	}
}

// puncherProps makes the Props of the puncher; not ok where there is none.
func (n *Node) puncherProps() (props *actor.Props, ok bool, err error) {
	if n.desk == nil {
		return nil, false, nil
	}
	return n.desk.Props(), true, nil
}

// HolePunching is what the node knows of its NAT and of calls; not ok where it takes no part,
// or was not started.
func (n *Node) HolePunching() (state punch.State, ok bool) {
	desk := n.openedDesk()
	if desk == nil {
		return punch.State{}, false
	}
	return desk.State(), true
}

// openedDesk is for those who may ask while the node starts; nil where there is none.
func (n *Node) openedDesk() *punch.Service {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.desk
}

// belief is what the node believes of its own NAT.
func (n *Node) belief() punch.NAT {
	if s := n.reach.Load(); s != nil {
		return s.Belief
	}
	return punch.Unknown
}

// ownAddrs are the machine's addresses, and the one that is the operator's word. Where
// discovery has no real sockets, the machine's say nothing.
func (n *Node) ownAddrs() []netip.Addr {
	var list []netip.Addr
	for _, a := range n.acceptors {
		if ip := netaddr.Of(a.ln.Addr()).Addr(); ip.IsValid() && !ip.IsUnspecified() {
			list = append(list, ip.WithZone(""))
		}
	}
	if spec, ok := n.natSpec(); ok && spec.Method == nat.MethodFixed {
		list = append(list, spec.IP.Unmap())
	}
	if n.cfg.Discovery.ListenFunc != nil {
		return list
	}
	return append(list, n.machineAddrs()...)
}

// openOther opens another UDP port on the address of the first one.
func (n *Node) openOther() (net.PacketConn, error) {
	network, address := network("udp", netip.AddrPortFrom(n.udpAddrs()[0].Addr(), 0))
	return new(net.ListenConfig).ListenPacket(context.Background(), network, address)
}

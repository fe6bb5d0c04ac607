package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/dial"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/node/setup"
)

// This file fills the Config of each part, one function for each actor.

// The names of the root's children.
const (
	bansName       = "bans"
	announcerName  = "announcer"
	natName        = "nat"
	discoveryName  = "discovery"
	puncherName    = "puncher"
	peersName      = "peers"
	handshakesName = "handshakes"
	candidatesName = "candidates"
	dialerName     = "dialer"
	listenerName   = "listener"
)

// pids are the root and its children. The children keep their names over restarts.
type pids struct {
	root, admin, announcer, nat, discovery, puncher, bans, peers, handshakes, candidates, dialer *actor.PID
}

// placeActors chooses the name of the root: the node's ID, with a suffix if another node of
// that name runs in the same system. All PIDs are known before the first actor runs.
func (n *Node) placeActors() {
	name := "node-" + hex.EncodeToString(n.id[:4])
	if _, taken := n.rt.System.ProcessRegistry.GetLocal(name); taken {
		name += n.rt.System.ProcessRegistry.NextId()
	}
	child := func(short string) *actor.PID { return n.rt.System.NewLocalPID(name + "/" + short) }
	n.pids = pids{
		root: n.rt.System.NewLocalPID(name), admin: child(adminName), announcer: child(announcerName),
		nat: child(natName), discovery: child(discoveryName), puncher: child(puncherName), bans: child(bansName),
		peers: child(peersName), handshakes: child(handshakesName), candidates: child(candidatesName), dialer: child(dialerName),
	}
	for _, m := range n.offer.Load().Mounted {
		n.placeService(m)
		if m.HasService() {
			n.services.add(m)
		}
	}
}

// open opens what the actors use.
func (n *Node) open(ctx context.Context) (err error) {
	if n.rt.System == nil {
		n.rt.System, n.ownSystem = newSystem(n.cfg.Logger), true
	}
	n.placeActors()
	if n.sockets, err = listen.Open(ctx, n.socketConfig()); err != nil {
		return err
	}
	offered, err := offer.New(n.cfg.Key, n.cfg.Name, uint64(n.sockets.Port()), n.offer.Load().Mounted)
	if err != nil {
		return err
	}
	n.offer.Store(offered)
	if err := n.openAdmin(ctx); err != nil {
		return err
	}
	if err := n.provisionAll(ctx); err != nil {
		return err
	}
	intake := setup.NewIntake(n.rt, n.table, n.pids.handshakes)
	line := discovery.NewLine()
	n.makePunch(intake, line)
	if err := n.record.Open(n.recordConfig()); err != nil {
		return err
	}
	if err := n.makeDiscovery(line); err != nil {
		return err
	}
	n.setup = setup.New(n.setupConfig(intake))
	n.dialer = dial.New(n.dialConfig())
	return nil
}

func (n *Node) spawnRoot() error {
	_, err := n.rt.System.Root.SpawnNamed(n.rootProps(), n.pids.root.Id)
	return err
}

func (n *Node) socketConfig() listen.SocketConfig {
	c := listen.SocketConfig{Addrs: n.cfg.Listen, TCP: n.cfg.ListenFunc, Logger: n.cfg.Logger}
	if d := n.cfg.Discovery; d.speaks() {
		c.UDP, c.UDPPort = d.ListenFunc, d.Port
		if c.UDP == nil {
			c.UDP = listen.UDP
		}
	}
	return c
}

func (n *Node) bansProps() *actor.Props {
	return bans.Props(bans.Config{Runtime: n.rt, Ledger: n.ledger})
}

func (n *Node) recordConfig() record.Config {
	c := record.Config{
		Runtime: n.rt, Key: n.cfg.Key, DataDir: n.cfg.DataDir, Sockets: n.sockets, Discovery: n.cfg.Discovery.on(),
		Machine: n.machineAddrs, Attributes: n.attributes,
		Self: n.pids.announcer, Puncher: n.pids.puncher, Punch: n.punch,
		Changed: func(r *enode.Node) {
			n.hub.publish(Event{Kind: RecordChanged, Time: n.rt.Clock.Now(), Record: r})
		},
		Reachable: func(s punch.State) {
			n.hub.publish(Event{Kind: ReachabilityChanged, Time: n.rt.Clock.Now(), HolePunching: s})
		},
		Logger: n.cfg.Logger,
	}
	if spec, ok := n.natSpec(); ok && spec.Method == nat.MethodFixed && spec.Host == "" {
		c.Fixed = nat.ExternalAddress{
			IP: spec.IP, TCPPort: nat.ExternalPort(n.sockets.Port()), UDPPort: nat.ExternalPort(n.sockets.UDPPort()),
			Method: spec.Method, Confidence: nat.Configured,
		}
	}
	return c
}

// machineAddrs returns the addresses of the machine.
func (n *Node) machineAddrs() []netip.Addr {
	list, err := n.cfg.OwnAddrs()
	if err != nil {
		n.cfg.Logger.Debug("reading the machine's addresses failed", "err", err)
	}
	return list
}

// natSpec returns the parsed Config.NAT. ok is false if port mapping is disabled.
func (n *Node) natSpec() (spec nat.Spec, ok bool) {
	spec, err := nat.Parse(n.cfg.NAT)
	return spec, err == nil && !spec.Off
}

// natProps makes the NAT actor. ok is false when the node needs none.
func (n *Node) natProps() (props *actor.Props, ok bool, err error) {
	spec, ok := n.natSpec()
	port := n.sockets.Port()
	if !ok || port == 0 {
		return nil, false, nil
	}
	udp := n.sockets.UDPPort()
	if udp == 0 {
		udp = port // no discovery: the port is free for protocols
	}
	mapper, err := nat.New(nat.Config{
		Spec: spec, NodeID: n.id, Secret: [32]byte(crypto.Keccak256([]byte("troupe nat"), crypto.FromECDSA(n.cfg.Key))),
		TCPPort: nat.InternalPort(port), UDPPort: nat.InternalPort(udp), Listen: n.sockets.Only(),
		Lookup:  n.cfg.LookupHost,
		Publish: n.record.AddressFound, Changed: n.record.NATChanged,
		Clock: n.rt.Clock, Journal: n.rt.Journal,
	})
	if err != nil {
		return nil, false, err
	}
	return mapper.Props(), true, nil
}

// inboundReports notifies the NAT actor of connections and packets from public addresses, which
// prove that a port is forwarded. It does so at most once in inboundEvery for each protocol.
type inboundReports struct {
	rt   supervise.Runtime
	nat  *actor.PID
	last [3]atomic.Int64 // in Unix milliseconds, by nat.Protocol
}

// inboundEvery is short enough to prove a mapping at any time.
const inboundEvery = 5 * time.Second

func (r *inboundReports) add(by nat.Protocol, from netip.Addr) {
	if !from.Is4() || !from.IsGlobalUnicast() || netaddr.Private(from) {
		return
	}
	now, last := r.rt.Clock.Now().UnixMilli(), r.last[by].Load()
	if now-last >= inboundEvery.Milliseconds() && r.last[by].CompareAndSwap(last, now) {
		r.rt.Send(r.nat, &nat.Inbound{Protocol: by})
	}
}

// makeDiscovery makes the handle of discovery, where discovery is on.
func (n *Node) makeDiscovery(line *discovery.Line) (err error) {
	d := n.cfg.Discovery
	if !d.on() {
		return nil
	}
	inbound := &inboundReports{rt: n.rt, nat: n.pids.nat}
	c := discovery.Config{
		Key: n.cfg.Key, Local: n.record.Local(), Conns: n.sockets.UDP(), V4: d.V4, V5: d.V5,
		Bootnodes: d.Bootnodes, BootnodesV5: d.BootnodesV5, DNS: d.DNS,
		NetRestrict: n.cfg.NetRestrict, Want: func() func(*enode.Node) bool { return n.offer.Load().Wanted() },
		Inbound:  func(from netip.AddrPort) { inbound.add(nat.UDP, from.Addr()) },
		Resolver: d.Resolver, LookupHost: n.cfg.LookupHost,
		Clock: n.rt.Clock, Journal: n.rt.Journal, Logger: n.cfg.Logger.With("lib", "discovery"),
	}
	if n.punch != nil {
		c.Line, c.Sniff = line, n.punch.Sniff
		c.Talk = map[string]discovery.TalkHandler{punch.Protocol: n.punch.Handle}
	}
	n.discovery, err = discovery.New(c)
	return err
}

// discoveryProps makes the discovery actor. ok is false when discovery is off.
func (n *Node) discoveryProps() (props *actor.Props, ok bool, err error) {
	if n.discovery == nil {
		return nil, false, nil
	}
	return n.discovery.Props(), true, nil
}

// makePunch makes the parts that hole punching, setup and discovery share, if hole punching is
// on.
func (n *Node) makePunch(intake *setup.Intake, line *discovery.Line) {
	if n.cfg.DialFrom != nil && len(n.cfg.Listen) > 0 {
		n.port = punch.NewListenPort(punch.ListenPortConfig{
			Dial: n.cfg.DialFrom, From: n.sockets.From, Networks: n.cfg.NetRestrict, Clock: n.rt.Clock,
		})
	}
	if !n.cfg.punches() {
		return
	}
	c := punch.Config{
		ID: n.id, Self: n.Self, Line: line,
		OwnAddrs: n.ownAddrs, Private: n.cfg.HolePunching.Private,
		Refuse: func(id enode.ID, addr netip.Addr) bool {
			return !netaddr.Allowed(n.cfg.NetRestrict, addr) || n.table.Banned(peers.Remote{ID: id, Addr: addr}) != nil
		},
		Inbound: intake.AcceptPunched,
		Changed: n.record.PunchChanged,
		Clock:   n.rt.Clock, Rand: n.cfg.Rand, Journal: n.rt.Journal, Logger: n.cfg.Logger.With("part", "hole punching"),
	}
	if n.port != nil {
		c.TCPPort = n.port
	}
	if n.cfg.Discovery.ListenFunc == nil {
		first := n.sockets.UDPAddrs()[0].Addr()
		c.OpenSecondPort = func() (net.PacketConn, error) {
			return listen.UDPPacket(context.Background(), netip.AddrPortFrom(first, 0))
		}
	}
	n.punch = punch.New(c)
}

// ownAddrs returns the machine's addresses, and the address that the operator configured. If
// discovery has no real sockets, the machine's addresses are left out.
func (n *Node) ownAddrs() []netip.Addr {
	var list []netip.Addr
	for _, at := range n.sockets.Bound() {
		if ip := at.Addr(); ip.IsValid() && !ip.IsUnspecified() {
			list = append(list, ip.WithZone(""))
		}
	}
	if spec, ok := n.natSpec(); ok && spec.Method == nat.MethodFixed {
		named, _ := n.record.NAT() // the addresses of a name are known once it is looked up
		for _, ip := range []netip.Addr{spec.IP, named.External.IP, named.External.Other} {
			if ip.IsValid() {
				list = append(list, ip)
			}
		}
	}
	if n.cfg.Discovery.ListenFunc != nil {
		return list
	}
	return append(list, n.machineAddrs()...)
}

// puncherProps makes the puncher. ok is false when there is none.
func (n *Node) puncherProps() (props *actor.Props, ok bool, err error) {
	if n.punch == nil {
		return nil, false, nil
	}
	return n.punch.Props(), true, nil
}

func (n *Node) peersProps() *actor.Props {
	return peers.Props(peers.Config{
		Runtime: n.rt, Table: n.table, Ledger: n.ledger, Offer: n.offer.Load, Pool: n.pool, Feed: n.feed,
		Dialer: n.pids.dialer, Bans: n.pids.bans,
		Added:   func(m *peers.Member) { n.publishPeer(PeerAdded, m, nil) },
		Dropped: func(m *peers.Member, cause *actors.Cause) { n.publishPeer(PeerDropped, m, cause) },
		Refused: func(r peers.Refused) {
			n.publishFailure(PeerInfo{ID: r.ID, Name: r.Name, Inbound: r.Inbound, RemoteAddr: r.At}, r.Err)
		},
		ServiceUnused: func(service *actor.PID) { n.rt.Send(n.pids.root, &serviceUnused{service: service}) },
		Rand:          randFrom(n.cfg.Rand), Logger: n.cfg.Logger,
	})
}

func (n *Node) setupConfig(intake *setup.Intake) setup.Config {
	inbound := &inboundReports{rt: n.rt, nat: n.pids.nat}
	c := setup.Config{
		Runtime: n.rt, Key: n.cfg.Key, MaxPending: n.cfg.MaxPending, NetRestrict: n.cfg.NetRestrict,
		Intake: intake, Table: n.table, Ledger: n.ledger, Offer: n.offer.Load,
		Connector: &setup.Connector{
			Dial: n.cfg.Dial, Lookup: n.cfg.LookupHost, Networks: n.cfg.NetRestrict,
			Resolved: func(node *enode.Node, addrs []netip.Addr) {
				n.table.Locate(node.ID(), peers.PlaceName(node), addrs)
			},
		},
		Peers:  n.pids.peers,
		CameIn: func(from netip.Addr) { inbound.add(nat.TCP, from) },
		Failed: func(f setup.Failure) {
			n.publishFailure(PeerInfo{ID: f.ID, RemoteAddr: f.Remote, Inbound: f.Inbound}, f.Err)
		},
		Rand: n.cfg.Rand, Logger: n.cfg.Logger,
	}
	if n.port != nil {
		c.Announced = n.port.Announced
		if n.punch != nil {
			c.Puncher = n.pids.puncher
		}
	}
	return c
}

func (n *Node) dialConfig() dial.Config {
	c := dial.Config{
		Runtime: n.rt, Table: n.table, Static: n.cfg.StaticNodes, Candidates: n.cfg.Candidates,
		MaxActive: n.cfg.MaxPending, PerSecond: n.cfg.MaxDialRate, NetRestrict: n.cfg.NetRestrict,
		CallsNATs: n.port != nil && n.punch != nil,
		Setup:     n.pids.handshakes, Iterator: n.pids.candidates,
		Resolves: n.cfg.Discovery.speaks(),
		Rand:     randFrom(n.cfg.Rand), Logger: n.cfg.Logger,
	}
	if n.cfg.Discovery.on() {
		c.Discovery = n.pids.discovery
	}
	return c
}

func (n *Node) listenerProps() *actor.Props {
	c := listen.Config{
		Runtime: n.rt, Sockets: n.sockets, Credits: n.setup.Intake.Credits(), GiveBack: n.setup.Intake.GiveBack,
		Accept: n.setup.Intake.Accept, Logger: n.cfg.Logger,
	}
	if n.port != nil {
		c.Expected = n.port.Take
	}
	return listen.Props(c)
}

// openAdmin opens the sockets of the admin API.
func (n *Node) openAdmin(ctx context.Context) (err error) {
	if !n.cfg.Admin.serves() {
		return nil
	}
	n.adminSockets, err = admin.Open(ctx, admin.Config{
		IPC: n.cfg.Admin.IPC, HTTP: n.cfg.Admin.HTTP, APIs: n.apis, Log: n.cfg.Logger, Journal: n.rt.Journal,
		IPCOptional: n.cfg.DataDir != "" && filepath.Dir(n.cfg.Admin.IPC) == filepath.Clean(n.cfg.DataDir),
	})
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	return nil
}

// adminProps makes the admin actor. ok is false when nothing is served.
func (n *Node) adminProps() (props *actor.Props, ok bool, err error) {
	if n.adminSockets == nil {
		return nil, false, nil
	}
	return admin.Props(n.adminSockets, actor.WithDispatcher(n.rt.Dispatcher)), true, nil
}

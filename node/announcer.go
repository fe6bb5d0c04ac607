package node

import (
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/nat"
)

// announcer keeps what the node says of its address true: the record, its copy in the
// data directory, and the snapshot of the NAT actor beside it. It stands between the
// NAT actor and the disk, so that the one never waits for the other.
type announcer struct{ n *Node }

func (a *announcer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *addressFound:
		a.addressFound(ctx, msg.address)
	case *natChanged:
		a.n.natStatus.Store(&msg.status)
		a.keepStatus(msg.status)
	case *actor.Stopping:
		a.forgetStatus()
	}
}

// addressFound makes a new record if the address says anything new.
func (a *announcer) addressFound(ctx actor.Context, outside nat.ExternalAddress) {
	n := a.n
	n.outside = outside
	previous := n.record.Load()
	record, err := keepRecord(n.cfg.DataDir, previous, n.key, n.listening().from(outside), n.clock.Now())
	if err != nil {
		// The old one stays: it can still be read, and the next change tries again.
		n.log.Error("node record not changed", "err", err)
		return
	}
	if record == previous {
		return
	}
	n.record.Store(record)
	n.log.Info("node record changed", "url", n.URL(), "seq", record.Seq(),
		"method", outside.Method, "router", outside.Router, "confidence", outside.Confidence)
	n.hub.publish(Event{Kind: RecordChanged, Time: n.clock.Now(), Record: record})
}

// keepStatus writes the snapshot.
func (a *announcer) keepStatus(s nat.Status) {
	if a.n.cfg.DataDir == "" {
		return
	}
	if err := writeNATStatus(a.n.cfg.DataDir, s); err != nil {
		a.n.log.Warn("status of the port mappings not kept", "err", err)
	}
}

// forgetStatus removes the snapshot, unless there may be mappings left behind.
func (a *announcer) forgetStatus() {
	if a.n.cfg.DataDir == "" || !a.n.natGone.Load() {
		return
	}
	if err := removeNATStatus(a.n.cfg.DataDir); err != nil {
		a.n.log.Warn("old status of the port mappings left behind", "err", err)
	}
}

// natSpec is what the configuration says of the router; not ok where it is to be left
// alone.
func (n *Node) natSpec() (spec nat.Spec, ok bool) {
	spec, err := nat.Parse(n.cfg.NAT)
	return spec, err == nil && !spec.Off
}

// natProps makes the Props of the NAT actor; not ok where there is no need for one.
func (n *Node) natProps() (props *actor.Props, ok bool, err error) {
	spec, ok := n.natSpec()
	port := n.listenPort()
	if !ok || port == 0 {
		return nil, false, nil
	}
	props, err = nat.Props(nat.Config{
		Spec: spec, NodeID: n.id, Secret: [32]byte(crypto.Keccak256([]byte("troupe nat"), crypto.FromECDSA(n.key))),
		TCPPort: nat.InternalPort(port), UDPPort: nat.InternalPort(port), Listen: n.boundTo(),
		Publish: func(address nat.ExternalAddress) { n.toAnnouncer(&addressFound{address: address}) },
		Changed: func(s nat.Status) { n.toAnnouncer(&natChanged{status: s}) },
		Clock:   n.clock, Journal: n.journal,
	})
	return props, err == nil, err
}

func (n *Node) toAnnouncer(msg any) { actors.Send(n.system.Root, n.announcer, msg) }

// NAT is how things stand between the node and its router; not ok while nothing is
// known, or where the node leaves routers alone.
func (n *Node) NAT() (status nat.Status, ok bool) {
	if s := n.natStatus.Load(); s != nil {
		return *s, true
	}
	return nat.Status{}, false
}

// heardEvery is how often the NAT actor is told that somebody came in: often enough to
// prove a mapping at any time.
const heardEvery = 5 * time.Second

// cameIn tells the NAT actor of a connection or packet from outside, which proves that
// the port is reached.
func (n *Node) cameIn(by nat.Protocol, from netip.Addr) {
	if !from.Is4() || !from.IsGlobalUnicast() || from.IsPrivate() {
		return
	}
	now, last := n.clock.Now().UnixMilli(), n.heard.Load()
	if now-last >= heardEvery.Milliseconds() && n.heard.CompareAndSwap(last, now) {
		actors.Send(n.system.Root, n.nat, &nat.Inbound{Protocol: by})
	}
}

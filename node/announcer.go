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
type announcer struct {
	n      *Node
	timer  Timer
	failed string // what the operator was told about the record
}

// renewEvery is how often the announcer looks whether peers or protocols have changed what
// the record says.
const renewEvery = 5 * time.Second

func (a *announcer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started, *recordDue:
		a.renew(ctx)
	case *addressFound:
		a.addressFound(ctx, msg.address)
	case *natChanged:
		a.n.natStatus.Store(&msg.status)
		a.keepStatus(msg.status)
	case *actor.Restarting:
		a.timer.Stop()
	case *actor.Stopping:
		a.timer.Stop()
		a.forgetStatus()
	}
}

// addressFound makes a new record if the address says anything new.
func (a *announcer) addressFound(ctx actor.Context, outside nat.ExternalAddress) {
	a.n.outside = outside
	a.renew(ctx, "method", outside.Method, "router", outside.Router, "confidence", outside.Confidence)
}

// renew makes a new record if there is anything new to say, and looks again after a while:
// what peers and protocols say comes without a message.
func (a *announcer) renew(ctx actor.Context, why ...any) {
	n := a.n
	if a.timer != nil {
		a.timer.Stop()
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	a.timer = n.clock.AfterFunc(renewEvery, func() { actors.Send(root, self, &recordDue{}) })
	changed, err := n.renewRecord(n.record.Load())
	switch {
	case err == nil:
		a.failed = ""
	case a.failed != err.Error(): // once, not every few seconds
		a.failed = err.Error()
		n.log.Error("node record not renewed, or not kept", "err", err)
	}
	if changed {
		record := n.record.Load()
		n.log.Info("node record changed", append([]any{"url", n.URL(), "seq", record.Seq()}, why...)...)
		n.hub.publish(Event{Kind: RecordChanged, Time: n.clock.Now(), Record: record})
	}
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
	udp := n.udpPort()
	if udp == 0 {
		udp = port // free for protocols that want it
	}
	props, err = nat.Props(nat.Config{
		Spec: spec, NodeID: n.id, Secret: [32]byte(crypto.Keccak256([]byte("troupe nat"), crypto.FromECDSA(n.key))),
		TCPPort: nat.InternalPort(port), UDPPort: nat.InternalPort(udp), Listen: n.boundTo(),
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
	if !from.Is4() || !from.IsGlobalUnicast() || exempt(from) {
		return
	}
	heard := &n.heard[by]
	now, last := n.clock.Now().UnixMilli(), heard.Load()
	if now-last >= heardEvery.Milliseconds() && heard.CompareAndSwap(last, now) {
		actors.Send(n.system.Root, n.nat, &nat.Inbound{Protocol: by})
	}
}

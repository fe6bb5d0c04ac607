package node

import (
	"net/netip"
	"reflect"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/punch"
)

// announcer keeps what the node says of its address true: the record, its copy in the
// data directory, and the snapshot of how it is reached beside it. It stands between those who
// find that out (the NAT actor, the puncher) and the disk, so that nobody waits for that.
type announcer struct {
	n      *Node
	timer  Timer
	failed string // what the operator was told about the record
	open   bool   // what the puncher was told
	kept   NATStatus
}

// renewEvery is how often the announcer looks whether peers or protocols have changed what
// the record says, and whether there are more calls to count.
const renewEvery = 5 * time.Second

func (a *announcer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started, *recordDue:
		a.renew(ctx)
		a.keepStatus()
	case *addressFound:
		a.addressFound(ctx, msg.address)
	case *natChanged:
		a.n.natStatus.Store(&msg.status)
		a.keepStatus()
	case *puncherUp:
		a.open = false // which is what it takes for granted
		a.tellPuncher(false)
	case *punchChanged:
		a.punchChanged(ctx, msg.state)
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
	a.timer = n.rt.Clock.AfterFunc(renewEvery, func() { supervise.Send(root, self, &recordDue{}) })
	changed, err := n.renewRecord(n.record.Load())
	switch {
	case err == nil:
		a.failed = ""
	case a.failed != err.Error(): // once, not every few seconds
		a.failed = err.Error()
		n.log.Error("node record not renewed, or not kept", "err", err)
	}
	a.tellPuncher(changed)
	if changed {
		record := n.record.Load()
		n.log.Info("node record changed", append([]any{"url", n.URL(), "seq", record.Seq()}, why...)...)
		n.hub.publish(Event{Kind: RecordChanged, Time: n.rt.Clock.Now(), Record: record})
	}
}

// tellPuncher tells the puncher what concerns it of the record, and of who stands behind it.
func (a *announcer) tellPuncher(renewed bool) {
	n := a.n
	if n.desk == nil {
		return
	}
	if open := n.endpoint().open(n.outside); open != a.open {
		a.open = open
		supervise.Send(n.rt.System.Root, n.puncher, &punch.Mapped{Open: open})
	}
	if renewed {
		supervise.Send(n.rt.System.Root, n.puncher, &punch.Renewed{})
	}
}

// punchChanged takes in what neighbours say. Of calls alone the next look at the record takes
// care.
func (a *announcer) punchChanged(ctx actor.Context, now punch.State) {
	n, before := a.n, punch.State{}
	if was := n.reach.Swap(&now); was != nil {
		before = *was
	}
	if now.Belief != before.Belief {
		n.log.Info(beliefs[now.Belief], "nat", now.Belief)
	}
	if now.Belief == before.Belief && now.Observed == before.Observed && now.TCP == before.TCP {
		return
	}
	n.hub.publish(Event{Kind: ReachabilityChanged, Time: n.rt.Clock.Now(), HolePunching: now})
	a.renew(ctx, "nat", now.Belief)
	a.keepStatus()
}

// keepStatus writes the snapshot, if it says anything that the file doesn't.
func (a *announcer) keepStatus() {
	n := a.n
	if n.cfg.DataDir == "" {
		return
	}
	s := n.reachedNow(n.desk)
	if reflect.DeepEqual(s, a.kept) {
		return
	}
	a.kept = s // also if it isn't: the operator is told of each change once
	if err := writeNATStatus(n.cfg.DataDir, s); err != nil {
		n.log.Warn("how the node is reached is not kept", "err", err)
	}
}

// forgetStatus removes the snapshot, unless there may be mappings left behind.
func (a *announcer) forgetStatus() {
	withoutRouter := a.n.desk != nil && a.n.natStatus.Load() == nil
	if a.n.cfg.DataDir == "" || !a.n.natGone.Load() && !withoutRouter {
		return
	}
	if err := removeNATStatus(a.n.cfg.DataDir); err != nil {
		a.n.log.Warn("old status of the node's reachability left behind", "err", err)
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
		Clock:   n.rt.Clock, Journal: n.rt.Journal,
	})
	return props, err == nil, err
}

func (n *Node) toAnnouncer(msg any) { supervise.Send(n.rt.System.Root, n.announcer, msg) }

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
	if !from.Is4() || !from.IsGlobalUnicast() || netaddr.Private(from) {
		return
	}
	heard := &n.heard[by]
	now, last := n.rt.Clock.Now().UnixMilli(), heard.Load()
	if now-last >= heardEvery.Milliseconds() && heard.CompareAndSwap(last, now) {
		supervise.Send(n.rt.System.Root, n.nat, &nat.Inbound{Protocol: by})
	}
}

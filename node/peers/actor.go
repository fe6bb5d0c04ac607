package peers

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// ErrUndecided is the outcome of a dial whose session was lost, because the peers actor panicked
// when it took it. The log has the stack.
var ErrUndecided = errors.New("peers actor crashed")

// owner is the peers actor: it owns the links. It has no state of its own, so that a crash can
// replace it while the links run.
type owner struct{ *shared }

func (o *owner) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		o.armRotation(ctx)
	case *Establish:
		o.establish(ctx, msg)
	case *SetupEnded:
		o.setupEnded(ctx, msg)
	case *actors.LinkEnded:
		o.linkEnded(ctx, msg)
	case *Drop:
		if m := o.Table.Member(msg.ID); m != nil {
			m.Link.Disconnect(wire.DiscRequested, nil)
		}
	case *DropProtocol:
		o.dropProtocol(msg.Mounted)
	case *DropBanned:
		o.dropBanned()
	case *supervise.Resumed:
		for _, m := range o.Table.Snapshot() {
			m.Link.Probe()
		}
	case *rotationDue:
		o.armRotation(ctx)
		o.rotate()
	case *Leave:
		o.by = msg.By
		o.leave()
	case *Drain:
		o.drain(ctx)
	case *disconnected:
		o.stopIfEmpty(ctx)
	case *actor.Stopping:
		o.timer.Stop()
	case *actor.Stopped:
		o.removeRest(ctx)
		o.Table.closeArriving()
	}
}

// establish turns a session into a link, or disconnects the remote. The connection belongs to the link
// then, or to the goroutine that disconnects. If establish panics before, it closes the connection.
func (o *owner) establish(ctx actor.Context, msg *Establish) {
	o.Table.arrived(msg)
	owned := true
	defer func() {
		if owned {
			_ = msg.Conn.Close() // the panic is reported
		}
	}()
	m := &Member{
		Remote: Remote{ID: msg.ID, Addr: netaddr.Of(msg.Conn.RemoteAddr()).Addr(), Inbound: msg.Inbound},
		Offer:  msg.Offer, Punched: msg.Punched,
	}
	err := o.Table.clear(m.Remote, msg.By)
	if err == nil && msg.Static && !o.Table.KnownOf(m.ID).Static {
		err = refusal.ErrCancelled // the node was removed, and its Drop may have come before
	}
	if err == nil {
		err = msg.Offer.Stands(o.Offer(), msg.Session.RemoteHello.Caps)
	}
	if err != nil {
		o.decided[msg.By.Id] = err
		owned = false
		o.refuse(ctx, msg, err)
		return
	}
	link, err := o.links.Spawn(ctx, actors.Config{
		Name: "peer-" + hex.EncodeToString(m.ID[:4]),
		Conn: msg.Conn, Session: msg.Session, Protocols: msg.Offer.Protocols, Inbound: msg.Inbound,
	})
	if err != nil {
		panic(fmt.Errorf("spawn link: %w", err))
	}
	owned = false
	m.Link = link
	o.Table.add(m)
	o.decided[msg.By.Id] = nil
	supervise.Send(ctx, o.Dialer, &LinkUp{ID: m.ID, Inbound: m.Inbound})
	o.Added(m)
}

// Refused is a finished session that did not become a link.
type Refused struct {
	Remote
	Name string         // of the remote's Hello
	At   netip.AddrPort // of the remote
	Err  error
}

// refuse disconnects the remote with the reason. It does so in a goroutine, because it may take
// two seconds.
func (o *owner) refuse(ctx actor.Context, msg *Establish, why error) {
	at := netaddr.Of(msg.Conn.RemoteAddr())
	o.Logger.Debug("session refused", "id", msg.ID.TerminalString(), "addr", at, "reason", why)
	s, self, by := o.shared, ctx.Self(), o.by
	s.refusing.Add(1)
	s.Runtime.Go(self, func() {
		defer func() {
			s.refusing.Add(-1)
			s.Runtime.Send(self, &disconnected{})
		}()
		err := refusal.DisconnectAndClose(msg.Conn, msg.Session, why, by)
		s.Refused(Refused{
			Remote: Remote{ID: msg.ID, Addr: at.Addr(), Inbound: msg.Inbound},
			Name:   msg.Session.RemoteHello.Name, At: at, Err: err,
		})
	})
}

func (o *owner) linkEnded(ctx actor.Context, msg *actors.LinkEnded) {
	id := enode.ID(wire.NodeID(msg.Link.RemoteID()))
	m := o.Table.Member(id)
	if m == nil || m.Link != msg.Link {
		return
	}
	excused := o.remove(ctx, m, msg.Cause)
	if !excused {
		o.judge(ctx, id, m.Addr, bans.OfLink(msg.Cause))
	}
	o.stopIfEmpty(ctx)
}

// remove removes an ended link and reports its end. excused says that the remote is not to blame.
func (o *owner) remove(ctx actor.Context, m *Member, cause *actors.Cause) (excused bool) {
	o.Table.remove(m)
	down := &LinkDown{Remote: m.Remote, Lived: o.Runtime.Clock.Now().Sub(m.Link.Started()), Cause: cause}
	watch := o.Runtime.Watch
	if down.Excused = dueToSilence(cause) && watch.Aftermath() && m.Link.Started().Before(watch.Resumed()); down.Excused {
		down.Again = m.dialed()
	}
	supervise.Send(ctx, o.Dialer, down)
	o.Dropped(m, cause)
	return down.Excused
}

// removeRest removes the links whose LinkEnded the actor has not handled. There are some if the
// actor was stopped before all links had ended: the links end with it, and messages that come
// after the end of the last one are lost.
func (o *owner) removeRest(ctx actor.Context) {
	for _, m := range o.Table.Snapshot() {
		o.remove(ctx, m, m.Link.Cause())
	}
}

// setupEnded frees the place of a handshake, and records the offence that ended it, if any. The
// dialer gets the decision on the session of its dial.
func (o *owner) setupEnded(ctx actor.Context, msg *SetupEnded) {
	refused, decided := o.decided[msg.By.Id]
	delete(o.decided, msg.By.Id)
	if !msg.Inbound {
		outcome := *msg
		switch {
		case msg.Err != nil:
		case decided:
			outcome.Err = refused
		default:
			outcome.Err = ErrUndecided
		}
		supervise.Send(ctx, o.Dialer, &outcome)
	}
	o.Table.abandon(msg.ID, msg.By)
	if msg.Inbound && !msg.Stalled {
		o.judge(ctx, msg.ID, msg.Addr, bans.OfSetup(msg.Err))
	}
}

// judge records an offence, and enforces the bans that it leads to. Static and trusted
// nodes, and addresses they share, are never penalised; otherwise a neighbour could get them
// banned.
func (o *owner) judge(ctx actor.Context, id enode.ID, addr netip.Addr, offence bans.Offence) {
	if offence == bans.Harmless || o.Table.KnownOf(id).Protected() {
		return
	}
	if o.Table.Knows(addr) {
		addr = netip.Addr{}
	}
	made := o.Ledger.Offend(id, addr, offence)
	if len(made) == 0 {
		return
	}
	for _, b := range made {
		o.Logger.Info("banned", "target", b.Target, "until", b.Until, "reason", b.Reason)
	}
	supervise.Send(ctx, o.Bans, &bans.Changed{})
	o.dropBanned()
}

func (o *owner) armRotation(ctx actor.Context) {
	o.timer = o.Runtime.After(rotationLook, ctx.Self(), &rotationDue{})
}

// rotate evicts the least useful peer if an eviction is due.
func (o *owner) rotate() {
	now := o.Runtime.Clock.Now()
	full, refusals := o.Table.crowded()
	if !o.rotation.due(full, refusals, o.Rand(), now) {
		return
	}
	id, ok := leastUseful(o.Table.evictable(now), o.Rand())
	if !ok {
		return
	}
	if m := o.Table.Member(id); m != nil {
		o.Logger.Debug("peer evicted to make room for others", "id", id.TerminalString())
		o.Table.evicted()
		m.Link.Disconnect(wire.DiscTooManyPeers, refusal.ErrMadeRoom)
	}
}

// dropBanned ends the links to nodes that are banned.
func (o *owner) dropBanned() {
	for _, m := range o.Table.Snapshot() {
		if err := o.Table.Banned(m.Remote); err != nil {
			m.Link.Disconnect(wire.DiscUselessPeer, err)
		}
	}
}

// dropProtocol ends the links that run nothing that the node still offers. No later link runs
// the removed protocol: establish refuses it.
func (o *owner) dropProtocol(removed *protocols.Mounted) {
	now := o.Offer()
	for _, m := range o.Table.Snapshot() {
		if m.Offer.Find(removed.Spec.Name) == removed && m.Link.Host(removed.Spec.Name) != nil && !m.serves(now) {
			m.Link.Disconnect(wire.DiscUselessPeer, refusal.ErrProtocolRemoved)
		}
	}
	if service := removed.Service(); service != nil {
		unused := o.ServiceUnused
		removed.Retire(func() { unused(service) })
	}
}

// serves reports whether a link runs a protocol that the node offers now.
func (m *Member) serves(now *offer.Offer) bool {
	for _, c := range m.Link.Caps() {
		if now.Has(m.Offer.Find(c.Name)) {
			return true
		}
	}
	return false
}

// leave ends all links as 'client quitting'. One that ends already has its own two seconds, which
// began before.
func (o *owner) leave() {
	for _, m := range o.Table.Snapshot() {
		m.Link.DisconnectBy(o.by, wire.DiscQuitting, refusal.ErrStopping)
	}
}

// drain ends all links, and the actor when they have ended. No new links follow, because setup has
// stopped before.
func (o *owner) drain(ctx actor.Context) {
	o.draining.Store(true)
	o.leave()
	o.stopIfEmpty(ctx)
}

func (o *owner) stopIfEmpty(ctx actor.Context) {
	if o.draining.Load() && o.Table.Size() == 0 && o.refusing.Load() == 0 {
		ctx.Stop(ctx.Self())
	}
}

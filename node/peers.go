package node

import (
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// peers decides who may come in, and owns the links. It keeps nothing of its own: who is
// there is in the roster, so that it can be replaced after a crash while the links live.
type peers struct{ n *Node }

func (n *Node) peersProps() *actor.Props {
	return n.rt.Kept(supervise.EndFailed{Journal: n.rt.Journal}, func() actor.Actor { return &peers{n} })
}

func (p *peers) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.armChurn(ctx)
	case *admit:
		p.admit(ctx, msg)
	case *settle:
		p.settle(ctx, msg)
	case *setupEnded:
		p.setupEnded(ctx, msg)
	case *actors.LinkEnded:
		p.linkEnded(ctx, msg)
	case *dropPeer:
		if m := p.n.roster.member(msg.id); m != nil {
			m.link.Disconnect(wire.DiscRequested, nil)
		}
	case *dropProtocol:
		p.dropProtocol(ctx, msg.mounted)
	case *dropBanned:
		p.dropBanned()
	case *churnDue:
		p.armChurn(ctx)
		p.churn()
	case *drain:
		p.drain(ctx)
	case *sentOff:
		p.stopIfEmpty(ctx)
	case *actor.Stopping:
		p.n.churn.timer.Stop()
	}
}

// admit answers a handshake that knows who the remote is.
func (p *peers) admit(ctx actor.Context, msg *admit) {
	if !msg.inbound {
		supervise.Send(ctx, msg.by, &verdict{err: p.n.roster.admitDial(msg.caller, msg.by)})
		return
	}
	displaced, err := p.n.roster.admitInbound(msg.caller, msg.by)
	if displaced != nil {
		supervise.Send(ctx, displaced, &giveUp{err: refusal.ErrTheirDialFirst})
	}
	supervise.Send(ctx, msg.by, &verdict{err: err})
}

// settle makes a link of a session, or sends the remote off.
func (p *peers) settle(ctx actor.Context, msg *settle) {
	m := &member{caller: caller{id: msg.id, addr: netaddr.Of(msg.conn.RemoteAddr()).Addr(), inbound: msg.inbound}, offer: msg.offer, punched: msg.punched}
	err := p.n.roster.clear(m.caller, msg.by)
	if err == nil {
		err = msg.offer.Stands(p.n.offer.Load(), msg.session.RemoteHello.Caps)
	}
	if err != nil {
		p.sendOff(ctx, msg, err)
		return
	}
	link, err := actors.Spawn(ctx, actors.Config{
		System: p.n.rt.System, Name: "peer-" + hex.EncodeToString(m.id[:4]),
		Conn: msg.conn, Session: msg.session, Protocols: msg.offer.Protocols, Inbound: msg.inbound,
		Pool: p.n.pool, Journal: p.n.rt.Journal, Clock: p.n.rt.Clock, Feed: p.n.feed, Dispatcher: p.n.rt.Dispatcher,
	})
	if err != nil {
		_ = msg.conn.Close() // the crash says why
		panic(fmt.Errorf("spawn link: %w", err))
	}
	m.link = link
	p.n.roster.add(m)
	supervise.Send(ctx, p.n.dialer, &linkUp{id: m.id, inbound: m.inbound})
	p.n.publishPeer(PeerAdded, m, nil)
}

// sendOff tells the remote why it has to go, in a goroutine: that may take a second.
func (p *peers) sendOff(ctx actor.Context, msg *settle, why error) {
	p.n.log.Debug("session refused", "id", msg.id.TerminalString(), "addr", msg.conn.RemoteAddr(), "reason", why)
	n, self, root := p.n, ctx.Self(), ctx.ActorSystem().Root
	n.sendOffs.Add(1)
	n.rt.Go(self, func() {
		defer func() {
			n.sendOffs.Add(-1)
			supervise.Send(root, self, &sentOff{})
		}()
		err := sendOff(msg.conn, msg.session, why)
		_ = msg.conn.Close() // the last use of it
		n.hub.publish(Event{Kind: SetupFailed, Time: n.rt.Clock.Now(), Err: err, Peer: PeerInfo{
			ID: msg.id, Name: msg.session.RemoteHello.Name, Inbound: msg.inbound,
			RemoteAddr: netaddr.Of(msg.conn.RemoteAddr()),
		}})
	})
}

func (p *peers) linkEnded(ctx actor.Context, msg *actors.LinkEnded) {
	id := idOfLink(msg.Link)
	m := p.n.roster.member(id)
	if m == nil || m.link != msg.Link {
		return
	}
	p.n.roster.leave(m)
	supervise.Send(ctx, p.n.dialer, &linkDown{
		caller: m.caller, lived: p.n.rt.Clock.Now().Sub(m.link.Started()), cause: causeOfEnd(msg.Cause),
	})
	p.n.publishPeer(PeerDropped, m, msg.Cause)
	p.judge(ctx, id, m.addr, bans.OfLink(msg.Cause))
	p.stopIfEmpty(ctx)
}

// setupEnded frees the place of a handshake, and takes down what it says of the remote. The
// dialer hears of it by way of peers, so that a link that came of it is counted by then.
func (p *peers) setupEnded(ctx actor.Context, msg *setupEnded) {
	if !msg.inbound {
		supervise.Send(ctx, p.n.dialer, msg)
	}
	p.n.roster.abandon(msg.id, msg.by)
	if msg.inbound {
		p.judge(ctx, msg.id, msg.addr, bans.OfSetup(msg.err))
	}
}

// judge takes down an offence, and acts on the bans that come of it. Known nodes don't
// offend, nor do those who share their addresses: that would be a way to have them banned.
func (p *peers) judge(ctx actor.Context, id enode.ID, addr netip.Addr, o bans.Offence) {
	if o == bans.Harmless || p.n.roster.markOf(id).protected() {
		return
	}
	if p.n.roster.knows(addr) {
		addr = netip.Addr{}
	}
	made := p.n.ledger.Offend(id, addr, o)
	if len(made) == 0 {
		return
	}
	for _, b := range made {
		p.n.log.Info("banned", "target", b.Target, "until", b.Until, "reason", b.Reason)
	}
	supervise.Send(ctx, p.n.bans, &bans.Changed{})
	p.dropBanned()
}

func (p *peers) armChurn(ctx actor.Context) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	p.n.churn.timer = p.n.rt.Clock.AfterFunc(churnLook, func() { supervise.Send(root, self, &churnDue{}) })
}

// churn lets the least useful peer make room if it is time for that.
func (p *peers) churn() {
	c, now := &p.n.churn, p.n.rt.Clock.Now()
	full, refusals := p.n.roster.crowded()
	if !c.due(full, refusals, c.chance(), now) {
		return
	}
	id, ok := leastUseful(p.n.roster.tenants(now), c.chance())
	if !ok {
		return
	}
	if m := p.n.roster.member(id); m != nil {
		p.n.log.Debug("peer makes room for others", "id", id.TerminalString())
		m.link.Disconnect(wire.DiscTooManyPeers, refusal.ErrMadeRoom)
	}
}

// dropBanned ends the links of those who are banned by now.
func (p *peers) dropBanned() {
	for _, m := range p.n.roster.snapshot() {
		if err := p.n.roster.bar(m.caller); err != nil {
			m.link.Disconnect(wire.DiscUselessPeer, err)
		}
	}
}

// drain tells all peers that the node quits. The handshakes are gone by now, so that
// nobody comes after.
func (p *peers) drain(ctx actor.Context) {
	p.n.draining.Store(true)
	for _, m := range p.n.roster.snapshot() {
		m.link.Disconnect(wire.DiscQuitting, refusal.ErrStopping)
	}
	p.stopIfEmpty(ctx)
}

func (p *peers) stopIfEmpty(ctx actor.Context) {
	if p.n.draining.Load() && p.n.roster.size() == 0 && p.n.sendOffs.Load() == 0 {
		ctx.Stop(ctx.Self())
	}
}

// idOfLink is the node ID of a link's remote.
func idOfLink(l *actors.Link) enode.ID {
	key := l.RemoteID()
	return wire.NodeID(key)
}

package punch

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// reach begins a call, or says why not.
func (p *puncher) reach(ctx actor.Context, msg *Reach, now time.Time) {
	target, theirs, err := p.callable(msg.Node)
	relays := p.relays(now)
	ours := p.belief.nat(now)
	switch {
	case err != nil:
	case p.answers[target.ID()] != nil && p.answers[target.ID()].openReceived:
		err = ErrCrossed // that node's own call comes to its end
	case now.Before(p.connected[target.ID()]):
		err = ErrCrossed // RLPx begins on what that call has brought
	case p.calls[target.ID()] != nil || len(p.calls) >= maxCalls:
		err = ErrBusy
	case len(relays) == 0:
		err = ErrNoNeighbour
	default:
		err = p.backoff.check(target.ID(), ours, theirs, now)
	}
	if err != nil {
		p.count(false, err)
		p.cfg.Logger.Log(context.Background(), levelOf(err), "node not called through NATs", "id", msg.Node.ID().TerminalString(), "reason", err)
		supervise.Send(ctx, msg.To, &Reached{ID: msg.Node.ID(), Err: err})
		return
	}
	record, _ := target.UDPEndpoint()
	if !p.allowed(record) {
		record = netip.AddrPort{}
	}
	c := &callActor{
		Service: p.Service, puncher: ctx.Self(), target: target,
		machine: callRules{ours: ours, theirs: theirs, relays: relays, record: record, canTCP: p.cfg.TCPPort != nil},
	}
	pid := ctx.SpawnPrefix(supervise.PropsOf(func() actor.Actor { return c }, p.cfg.Journal), name("call", target.ID()))
	p.calls[target.ID()] = &activeCall{pid: pid, ours: ours, theirs: theirs, asker: msg.To}
}

// callable gives the newest record of a node, which says whether it takes part. One that
// was given as a URL may be known by its record to discovery.
func (p *puncher) callable(n *enode.Node) (target *enode.Node, theirs NAT, err error) {
	if known := p.cfg.Line.Known(n.ID()); known != nil && known.Seq() > n.Seq() {
		n = known
	}
	theirs, ok := Takes(n)
	if !ok || n.Pubkey() == nil || n.ID() == p.cfg.ID {
		return nil, Unknown, ErrUnsupported
	}
	return n, theirs, nil
}

// relays gives the neighbours to ask for a call: those who are told where we are, and then
// others who may know the target.
func (p *puncher) relays(now time.Time) []*enode.Node {
	list := p.plan.relays(now)
	for _, n := range p.neighbours(now) {
		known := slices.ContainsFunc(list, func(r *enode.Node) bool { return r.ID() == n.ID() })
		if _, ok := relayable(n); ok && !known && len(list) < maxRelays {
			list = append(list, n)
		}
	}
	return list
}

func (p *puncher) callEnded(ctx actor.Context, msg *callEnded, now time.Time) {
	for id, u := range p.calls {
		if u.pid.Equal(msg.by) {
			p.callOver(id, u, &Reached{ID: id, Conn: msg.conn, Err: msg.err}, now)
		}
	}
	ctx.Stop(msg.by)
}

// callOver remembers how a call ended before it tells the asker, who may ask again at once.
func (p *puncher) callOver(id enode.ID, u *activeCall, how *Reached, now time.Time) {
	delete(p.calls, id)
	p.backoff.record(id, u.ours, u.theirs, how.Err, now)
	p.count(false, how.Err)
	supervise.Send(p.root, u.asker, how)
}

// rung has an actor answer a call. A node makes one call at a time to us, so the last one
// counts.
func (p *puncher) rung(ctx actor.Context, msg *rung, now time.Time) {
	u := p.answers[msg.caller]
	switch {
	case u != nil && u.token == msg.token: // its next round
	case u != nil:
		u.token = msg.token
		supervise.Send(ctx, u.pid, msg)
	case len(p.answers) < maxAnswers:
		a := &answerActor{
			Service: p.Service, puncher: ctx.Self(), caller: msg.caller, relays: p.plan.relays(now),
			machine: answerRules{ours: p.belief.nat(now), canTCP: p.cfg.TCPPort != nil && p.cfg.Inbound != nil},
		}
		pid := ctx.SpawnPrefix(supervise.PropsOf(func() actor.Actor { return a }, p.cfg.Journal), name("answer", msg.caller))
		p.answers[msg.caller] = &activeCall{pid: pid, token: msg.token}
	}
}

// openAsked passes OPEN on to whom it concerns: a call of ours to the same node first. For
// whom no neighbour of ours rang, nothing is done.
func (p *puncher) openAsked(ctx actor.Context, msg *openAsked) {
	_, no := p.answering(msg)
	call := p.calls[msg.from]
	switch {
	case no != accepted:
		msg.reply <- openAnswer{Status: no}
	case call != nil:
		supervise.Send(ctx, call.pid, &crossCall{asked: msg})
	default:
		p.answer(ctx, msg)
	}
}

func (p *puncher) answer(ctx actor.Context, asked *openAsked) {
	u, no := p.answering(asked)
	if no != accepted {
		asked.reply <- openAnswer{Status: no}
		return
	}
	u.openReceived = true
	supervise.Send(ctx, u.pid, asked)
}

// rangFor gives what answers the call that an OPEN belongs to: its token says which one.
func (p *puncher) answering(msg *openAsked) (u *activeCall, no status) {
	u = p.answers[msg.from]
	switch {
	case u == nil && len(p.answers) >= maxAnswers:
		return nil, overLimit
	case u == nil || u.token != msg.msg.Token:
		return nil, refused
	}
	return u, accepted
}

func (p *puncher) answerEnded(ctx actor.Context, msg *answerEnded) {
	for id, u := range p.answers {
		if u.pid.Equal(msg.by) {
			delete(p.answers, id)
			p.count(true, msg.err)
			if msg.err == nil {
				p.markConnected(id)
			}
		}
	}
	ctx.Stop(msg.by)
}

// cameTime is how long a caller whose connection is there may take to begin RLPx on it: it
// may have the connection some seconds later.
const connectedTime = connectTimeout + 5*time.Second

// hasCome remembers whose call has brought a connection, for that time.
func (p *puncher) markConnected(id enode.ID) {
	now := p.cfg.Clock.Now()
	maps.DeleteFunc(p.connected, func(_ enode.ID, until time.Time) bool { return !now.Before(until) })
	p.connected[id] = now.Add(connectedTime)
}

// gone: an actor has stopped. Without a last word it crashed.
func (p *puncher) terminated(who *actor.PID, now time.Time) {
	for id, u := range p.calls {
		if u.pid.Equal(who) {
			p.callOver(id, u, &Reached{ID: id, Err: ErrDown}, now)
		}
	}
	for id, u := range p.answers {
		if u.pid.Equal(who) {
			delete(p.answers, id)
			p.count(true, ErrDown)
		}
	}
}

// count counts how a call of ours, or of another's, ended.
func (p *puncher) count(rung bool, err error) {
	s := p.published
	counts := &s.Calls
	if rung {
		counts = &s.Rung
	}
	*counts = maps.Clone(*counts)
	(*counts)[causeName(err)]++
	p.publish(s)
}

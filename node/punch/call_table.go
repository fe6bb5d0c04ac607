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
	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// reach begins a call, or answers at once with the reason why it does not.
func (p *puncher) reach(ctx actor.Context, msg *Reach, now time.Time) {
	target, theirs, err := p.callable(msg.Node)
	relays := p.relays(now)
	ours := p.belief.nat(now)
	switch {
	case err != nil:
	case p.answers[target.ID()] != nil && p.answers[target.ID()].openReceived:
		err = ErrCrossed // that node's own call continues
	case now.Before(p.connected[target.ID()]):
		err = ErrCrossed // RLPx is about to begin on that call's connection
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
		machine: callRules{ours: ours, theirs: theirs, relays: relays, record: netaddr.Unmap(record), canTCP: p.cfg.TCPPort != nil},
	}
	pid := ctx.SpawnPrefix(supervise.PropsOf(func() actor.Actor { return c }, p.cfg.Journal), name("call", target.ID()))
	p.calls[target.ID()] = &activeCall{pid: pid, ours: ours, theirs: theirs, asker: msg.To}
}

// callable returns the newest record of a node, and what the node believes of its NAT. Discovery may know
// the record of a node that was given as a URL. The error is ErrUnsupported for a node that cannot be called.
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

// relays returns the neighbours to ask for a call: first those that receive HELLOs from this node, then
// others that may know the target.
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

// callOver records how a call ended. It does so before it answers Reach, because the asker may send the next
// Reach at once.
func (p *puncher) callOver(id enode.ID, u *activeCall, how *Reached, now time.Time) {
	delete(p.calls, id)
	p.backoff.record(id, u.ours, u.theirs, how.Err, now)
	p.count(false, how.Err)
	supervise.Send(p.root, u.asker, how)
}

// rung starts an actor that answers a call, or notifies the one that exists. A node makes one call at a
// time to this one, so the last token counts.
func (p *puncher) rung(ctx actor.Context, msg *rung, now time.Time) {
	u := p.answers[msg.caller]
	switch {
	case u != nil && u.token == msg.token: // the next round of the same call
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

// openAsked passes OPEN on: to a call of this node to the same node if there is one, else to the actor that
// answers the call. An OPEN without a RING is refused.
func (p *puncher) openAsked(ctx actor.Context, msg *openAsked) {
	_, no := p.findAnswer(msg)
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
	u, no := p.findAnswer(asked)
	if no != accepted {
		asked.reply <- openAnswer{Status: no}
		return
	}
	u.openReceived = true
	supervise.Send(ctx, u.pid, asked)
}

// findAnswer returns the answer that an OPEN belongs to, by its token. If there is none, no is the status to
// reply with; otherwise it is accepted.
func (p *puncher) findAnswer(msg *openAsked) (u *activeCall, no status) {
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

// connectedTime is how long a caller may take to begin RLPx on the connection: it may receive the
// connection some seconds later than the target.
const connectedTime = connectTimeout + 5*time.Second

// markConnected records, for connectedTime, that a node's call brought a connection.
func (p *puncher) markConnected(id enode.ID) {
	now := p.cfg.Clock.Now()
	maps.DeleteFunc(p.connected, func(_ enode.ID, until time.Time) bool { return !now.Before(until) })
	p.connected[id] = now.Add(connectedTime)
}

// terminated handles the end of an actor. One that is still in the table sent no last message: it crashed.
func (p *puncher) terminated(pid *actor.PID, now time.Time) {
	for id, u := range p.calls {
		if u.pid.Equal(pid) {
			p.callOver(id, u, &Reached{ID: id, Err: ErrDown}, now)
		}
	}
	for id, u := range p.answers {
		if u.pid.Equal(pid) {
			delete(p.answers, id)
			p.count(true, ErrDown)
		}
	}
}

// count counts the result of a call: of this node's own, or, if rung is true, of another's.
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

package punch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/stun"
)

const (
	// pingEvery is how often neighbours that do not take part are pinged for what they see, while too few
	// neighbours take part to know the NAT. maxPinged is how many of them are pinged.
	pingEvery, maxPinged = 30 * time.Second, 3
	// helloRepeatEvery is how soon the first HELLOs are repeated, and maxHelloRepeats how often.
	helloRepeatEvery = 4 * time.Second
	maxHelloRepeats  = 5
)

// repeatHellos makes all HELLOs due again soon, while this node is new to its neighbours: discovery's table drops
// a new node after the first ping that is lost. It returns the time until the next call.
func (p *puncher) repeatHellos(now time.Time) time.Duration {
	if p.helloRepeats == maxHelloRepeats || p.belief.nat(now) == Open || len(p.plan.relays(now)) == 0 {
		return helloEveryOpen
	}
	if !now.Before(p.helloRepeatAt) {
		if !p.helloRepeatAt.IsZero() {
			p.plan.helloAll()
		}
		p.helloRepeatAt = now.Add(helloRepeatEvery)
		p.helloRepeats++
	}
	return p.helloRepeatAt.Sub(now)
}

// neighbours returns the nodes in discovery's table with their records. Of a bootnode, only a URL is known at
// first; its record is requested.
func (p *puncher) neighbours(now time.Time) []*enode.Node {
	list := p.cfg.Line.Neighbours()
	seen := make(map[enode.ID]bool, len(list))
	for i, n := range list {
		seen[n.ID()] = true
		if n.Seq() > 0 {
			continue
		}
		a := p.urlNeighbours[n.ID()]
		switch {
		case a == nil && len(p.urlNeighbours) >= maxRecordRequests:
		case a != nil && a.record != nil:
			list[i] = a.record
		case a == nil || !a.asking && !now.Before(a.again):
			p.urlNeighbours[n.ID()] = &urlNeighbour{asking: true}
			p.requestRecord(n)
		}
	}
	for id := range p.urlNeighbours {
		if !seen[id] {
			delete(p.urlNeighbours, id)
		}
	}
	return list
}

// urlNeighbour is a neighbour of which discovery only knows a URL.
type urlNeighbour struct {
	record *enode.Node // nil: not received yet
	asking bool
	again  time.Time // when to ask again
}

// maxRecordRequests bounds the neighbours without a record that are asked for it.
const maxRecordRequests = 16

// requestRecord asks a neighbour for its record. If the record cannot be used (that of a node that does not know
// its address yet has one that works on its own machine only), HELLO finds out whether it takes part.
func (p *puncher) requestRecord(n *enode.Node) {
	own := p.cfg.Self().Record()
	p.spawn(func() {
		known, err := p.cfg.Line.Record(n)
		if err != nil {
			known = nil // it is asked again later
			if _, err := p.askHello(n, hello{Record: own}); err == nil {
				known = assumeParticipant(n)
			}
		}
		p.tell(&recordReceived{id: n.ID(), node: known})
	})
}

// assumeParticipant returns a node that is known by URL, with an entry that says that it takes part.
func assumeParticipant(n *enode.Node) *enode.Node {
	r := n.Record()
	r.Set(NewEntry(Unknown))
	return enode.SignNull(r, n.ID())
}

// recordReceived stores the record. A node that did not answer is asked again, but not at once: if it cannot be
// reached, the request fails immediately.
func (p *puncher) recordReceived(msg *recordReceived, now time.Time) {
	if a := p.urlNeighbours[msg.id]; a != nil {
		a.record, a.asking, a.again = msg.node, false, now.Add(helloMinGap)
	}
}

// hello says HELLO to a neighbour. The answer is a *helloAnswered.
func (p *puncher) hello(n *enode.Node, tcp bool) {
	record := p.cfg.Self().Record()
	p.spawn(func() {
		answer, err := p.askHello(n, hello{Record: record, TCP: tcp})
		p.tell(&helloAnswered{relay: n, answer: answer, err: err})
	})
}

// askHello says HELLO and waits for the answer. It blocks.
func (s *Service) askHello(n *enode.Node, msg hello) (helloAnswer, error) {
	b, err := s.cfg.Line.Talk(n, Protocol, encodeRequest(msg))
	if err != nil {
		return helloAnswer{}, err
	}
	return decode[helloAnswer](b)
}

// helloAnswered records what a neighbour sees, and asks its second port.
func (p *puncher) helloAnswered(msg *helloAnswered, now time.Time) {
	if msg.err != nil {
		p.plan.failed(msg.relay.ID(), now)
		return
	}
	p.plan.answered(msg.relay.ID(), now)
	at, ok := msg.relay.UDPEndpoint()
	if !ok {
		return
	}
	p.observe(at, msg.answer.Observed.AddrPort, now)
	if port := msg.answer.SecondPort; port != 0 && p.belief.nat(now) != Open {
		p.askSecondPort(netip.AddrPortFrom(at.Addr(), port))
	}
}

// askSecondPort asks the second port of a neighbour what it sees. The answer, if there is one, comes through Sniff
// as a *secondPortSaw.
func (p *puncher) askSecondPort(at netip.AddrPort) {
	t := p.newToken()
	p.expect(t, expectation{by: at, tell: func(seen netip.AddrPort) { p.tell(&secondPortSaw{by: at, token: t, observed: seen}) }})
	p.cfg.Clock.AfterFunc(secondPortTimeout, func() { p.forget(t) })
	if err := p.cfg.Line.Send(at, stun.PaddedRequest(t)); err != nil {
		p.forget(t)
	}
}

// secondPortTimeout is how long this node waits for the answer of a second port.
const secondPortTimeout = 2 * time.Second

// observe adds what a neighbour sees to the belief.
func (p *puncher) observe(by, seen netip.AddrPort, now time.Time) {
	if !p.allowed(seen) {
		return
	}
	own := p.cfg.OwnAddrs != nil && slices.Contains(p.cfg.OwnAddrs(), seen.Addr())
	p.belief.observe(by, seen, own, now)
}

// helloReceived pings a node that said HELLO, to learn this node's endpoint if it is not known yet. A node without
// neighbours can learn its endpoint only from a node that got its address in another way.
func (p *puncher) helloReceived(msg *helloReceived, now time.Time) {
	if p.belief.nat(now) != Unknown || now.Before(p.lastHelloPing.Add(helloMinGap)) {
		return
	}
	p.lastHelloPing = now
	n := enode.NewV4(msg.from.Pubkey(), msg.at.Addr().AsSlice(), 0, int(msg.at.Port()))
	p.ping(n, msg.at)
}

// ping asks a node what it sees, by discovery's PING. The answer is a *pingAnswered.
func (p *puncher) ping(n *enode.Node, at netip.AddrPort) {
	p.spawn(func() {
		seen, err := p.cfg.Line.Ping(n)
		p.tell(&pingAnswered{by: at, observed: seen, err: err})
	})
}

// pingNeighbours asks some neighbours that do not take part what they see, while too few take part to know the NAT.
func (p *puncher) pingNeighbours(now time.Time) {
	if p.belief.nat(now) != Unknown || !p.lastPings.IsZero() && now.Sub(p.lastPings) < pingEvery {
		return
	}
	left := maxPinged
	for _, n := range p.cfg.Line.Neighbours() {
		at, ok := n.UDPEndpoint()
		if _, takes := Takes(n); takes || !ok || left == 0 {
			continue
		}
		left--
		p.lastPings = now
		p.ping(n, at)
	}
}

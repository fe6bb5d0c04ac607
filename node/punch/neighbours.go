package punch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/stun"
)

const (
	// lookAround is how often neighbours that don't take part are pinged for what they see,
	// while those that do are too few to know, and maxPinged how many of them.
	pingEvery, maxPinged = 30 * time.Second, 3
	// insistEvery is how soon our first HELLOs are said again, and insistences how often.
	helloRepeatEvery = 4 * time.Second
	maxHelloRepeats  = 5
)

// insist has neighbours told again soon where we are, while we are new to them: the table of
// discovery drops a node of which it has just heard with the first ping that is lost. It
// says when to look again.
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

// neighbours are the nodes in discovery's table, by their records. A bootnode is known by a
// URL at first.
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

// acquaintance is a neighbour of whom we have no more than a URL.
type urlNeighbour struct {
	record *enode.Node // nil: it hasn't said
	asking bool
	again  time.Time // when it is asked again
}

// maxIntroduced bounds the neighbours without a record whom we ask for it.
const maxRecordRequests = 16

// introduce asks a neighbour for its record. If there is none that is of use (a node that
// does not know its address yet says what only its own machine can use), HELLO tells
// whether it takes part.
func (p *puncher) requestRecord(n *enode.Node) {
	own := p.cfg.Self().Record()
	p.spawn(func() {
		known, err := p.cfg.Line.Record(n)
		if err != nil {
			known = nil // asked again
			if _, err := p.askHello(n, hello{Record: own}); err == nil {
				known = assumeParticipant(n)
			}
		}
		p.tell(&recordReceived{id: n.ID(), node: known})
	})
}

// supposed is a node of which we have a URL, with the word that it takes part.
func assumeParticipant(n *enode.Node) *enode.Node {
	r := n.Record()
	r.Set(NewEntry(Unknown))
	return enode.SignNull(r, n.ID())
}

// introduced takes that in. Who didn't answer is asked again later: it may be out of our
// reach, which is said at once.
func (p *puncher) recordReceived(msg *recordReceived, now time.Time) {
	if a := p.urlNeighbours[msg.id]; a != nil {
		a.record, a.asking, a.again = msg.node, false, now.Add(helloMinGap)
	}
}

// hello asks a neighbour what it sees, by both its ports.
func (p *puncher) hello(n *enode.Node, tcp bool) {
	record := p.cfg.Self().Record()
	p.spawn(func() {
		answer, err := p.askHello(n, hello{Record: record, TCP: tcp})
		p.tell(&helloAnswered{relay: n, answer: answer, err: err})
	})
}

// askHello says HELLO and waits for the answer.
func (s *Service) askHello(n *enode.Node, msg hello) (helloAnswer, error) {
	b, err := s.cfg.Line.Talk(n, Protocol, encodeRequest(msg))
	if err != nil {
		return helloAnswer{}, err
	}
	return decode[helloAnswer](b)
}

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

// askOther asks the other port of a neighbour what it sees. The answer comes by Sniff, if it
// comes.
func (p *puncher) askSecondPort(at netip.AddrPort) {
	t := p.newToken()
	p.expect(t, expectation{by: at, tell: func(seen netip.AddrPort) { p.tell(&secondPortSaw{by: at, token: t, observed: seen}) }})
	p.cfg.Clock.AfterFunc(secondPortTimeout, func() { p.forget(t) })
	if err := p.cfg.Line.Send(at, stun.PaddedRequest(t)); err != nil {
		p.forget(t)
	}
}

// otherTime is how long an answer of the other port is waited for.
const secondPortTimeout = 2 * time.Second

// observe takes in what a neighbour sees.
func (p *puncher) observe(by, seen netip.AddrPort, now time.Time) {
	if !p.allowed(seen) {
		return
	}
	own := p.cfg.OwnAddrs != nil && slices.Contains(p.cfg.OwnAddrs(), seen.Addr())
	p.belief.observe(by, seen, own, now)
}

// greeted asks a node that said HELLO what it sees of us, if we don't know: nobody but who
// has our address from elsewhere can tell a node that knows nobody where it is.
func (p *puncher) helloReceived(msg *helloReceived, now time.Time) {
	if p.belief.nat(now) != Unknown || now.Before(p.lastHelloPing.Add(helloMinGap)) {
		return
	}
	p.lastHelloPing = now
	n := enode.NewV4(msg.from.Pubkey(), msg.at.Addr().AsSlice(), 0, int(msg.at.Port()))
	p.ping(n, msg.at)
}

// ping asks a node what it sees, in the way of discovery.
func (p *puncher) ping(n *enode.Node, at netip.AddrPort) {
	p.spawn(func() {
		seen, err := p.cfg.Line.Ping(n)
		p.tell(&pingAnswered{by: at, observed: seen, err: err})
	})
}

// look asks some neighbours that don't take part what they see, while those that do are too
// few to know.
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

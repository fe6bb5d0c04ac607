package punch

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// portTimeout is how long one neighbour may take to say which TCP port it sees.
	portTimeout = 3 * time.Second
	// portTries is how often all neighbours are asked, because a datagram may be lost.
	portTries = 3
	// portRetry is the time until they are asked again if none answered.
	portRetry = time.Minute
)

// findPort finds out the external number of the listening port, once for each UDP endpoint that the NAT assigns.
func (p *puncher) findPort() {
	now := p.cfg.Clock.Now()
	relays := p.plan.relays(now)
	udp := p.belief.endpoint(now)
	if p.cfg.TCPPort == nil || p.portPending || len(relays) == 0 || !udp.IsValid() || udp == p.portFor || now.Before(p.portRetryAt) || p.belief.nat(now) == Open {
		return
	}
	p.portPending, p.portFor = true, udp
	p.spawn(func() {
		seen, held, err := p.askPorts(p.ctx, relays)
		if err == nil {
			_ = held.Close() // only the number was needed
		}
		if p.ctx.Err() == nil { // otherwise the incarnation has ended, and its successor did not ask
			p.tell(&tcpSeen{observed: seen, err: err})
		}
	})
}

func (p *puncher) tcpSeen(msg *tcpSeen) {
	p.portPending = false
	if p.tcpEndpoint = msg.observed; msg.err != nil {
		p.tcpEndpoint, p.portFor, p.portRetryAt = netip.AddrPort{}, netip.AddrPort{}, p.cfg.Clock.Now().Add(portRetry)
		p.cfg.Logger.Debug("finding the external TCP port failed", "err", msg.err)
	}
}

var errNoTCP = errors.New("the neighbour has no TCP port")

// askPort asks a neighbour under which endpoint it sees the listening port. It blocks.
func (s *Service) askPort(ctx context.Context, relay *enode.Node) (seen netip.AddrPort, held io.Closer, err error) {
	at, ok := relay.TCPEndpoint()
	if !ok {
		return seen, nil, errNoTCP
	}
	if _, err := s.askHello(relay, hello{Record: s.cfg.Self().Record(), TCP: true}); err != nil {
		return seen, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, portTimeout)
	defer cancel()
	return s.cfg.TCPPort.Observed(ctx, at)
}

// learnPort asks the neighbours which TCP port they see; an open node uses the port of its record. The answer is
// a *learned. The connection that keeps the port mapped stays open until ctx ends. It is not in the message,
// because it would stay open if the actor had stopped.
func (s *Service) learnPort(ctx context.Context, ours NAT, relays []*enode.Node, spawn func(func()), tell func(any)) {
	switch {
	case s.cfg.TCPPort == nil:
		return
	case ours == Open || len(relays) == 0:
		if at, ok := s.cfg.Self().TCPEndpoint(); ok {
			tell(&learned{port: at.Port()})
		} else {
			tell(&learned{err: errNoTCP})
		}
		return
	}
	spawn(func() {
		seen, held, err := s.askPorts(ctx, relays)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = held.Close() }) // it only keeps the port mapped
		} else if before := s.state.Load().TCP; before.IsValid() {
			seen, err = before, nil // fall back to what a neighbour saw earlier
		}
		tell(&learned{port: seen.Port(), err: err})
	})
}

// askPorts asks one neighbour after the other until one answers. It blocks.
func (s *Service) askPorts(ctx context.Context, relays []*enode.Node) (seen netip.AddrPort, held io.Closer, err error) {
	for range portTries {
		for _, relay := range relays {
			if seen, held, err = s.askPort(ctx, relay); err == nil || ctx.Err() != nil {
				return seen, held, err
			}
		}
	}
	return seen, nil, err
}

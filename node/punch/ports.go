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
	// portTime is what one neighbour may take to say which TCP port of ours it sees.
	portTimeout = 3 * time.Second
	// portTries is how often all neighbours are asked: a datagram may be lost.
	portTries = 3
	// portAgain is how soon they are asked again when none did say.
	portRetry = time.Minute
)

// findPort finds out under which port others see our listening port, once for each UDP
// endpoint that we get.
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
			_ = held.Close() // it was only to know
		}
		if p.ctx.Err() == nil { // else it is nothing that a successor asked for
			p.tell(&tcpSeen{observed: seen, err: err})
		}
	})
}

func (p *puncher) tcpSeen(msg *tcpSeen) {
	p.portPending = false
	if p.tcpEndpoint = msg.observed; msg.err != nil {
		p.tcpEndpoint, p.portFor, p.portRetryAt = netip.AddrPort{}, netip.AddrPort{}, p.cfg.Clock.Now().Add(portRetry)
		p.cfg.Logger.Debug("TCP port as seen from outside is not known", "err", msg.err)
	}
}

var errNoTCP = errors.New("the neighbour has no TCP port")

// askPort has a neighbour say under which endpoint it sees our listening port. It blocks.
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

// learnPort has one of the neighbours say which TCP port of ours it sees; an open node
// knows. The answer is a *learned. The port stays ours until ctx ends: a connection in a
// message would stay open when that finds nobody.
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
			context.AfterFunc(ctx, func() { _ = held.Close() }) // it is only to keep our port
		} else if before := s.state.Load().TCP; before.IsValid() {
			seen, err = before, nil // what a neighbour saw earlier is better than nothing
		}
		tell(&learned{port: seen.Port(), err: err})
	})
}

// askPorts asks one neighbour after the other. It blocks.
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

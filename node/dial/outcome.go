package dial

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// outcome is how a dial or a link ended. It determines when to dial the node again.
type outcome uint8

const (
	outcomeLinked      outcome = iota // there is a link
	outcomeOurs                       // we had no room, or did not want the link
	outcomeBusy                       // the remote has too many peers
	outcomeCrossed                    // there is another connection between the two nodes
	outcomeUnreachable                // no connection was made
	outcomeImpassable                 // no connection can be made while both nodes are behind their current NATs
	outcomeHandshake                  // the handshake on the connection failed
	outcomeUseless                    // the two nodes have no use for each other
	outcomeLost                       // there was a link, and it ended
	numOutcomes
)

func (c outcome) String() string {
	return [...]string{"none", "ours", "busy", "crossed", "unreachable", "impassable", "handshake", "useless", "lost"}[c]
}

// pause is the time before the next dial after a first failure. It doubles with each further
// failure, up to most.
type pause struct{ first, most time.Duration }

// throttlePause is longer than other clients refuse an address that connects again, which is
// 30 s, even after jitter has shortened it.
const throttlePause = 40 * time.Second

// dynamicPauses are for nodes that are not static.
var dynamicPauses = [numOutcomes]pause{
	outcomeOurs:        {throttlePause, throttlePause},
	outcomeBusy:        {throttlePause, 10 * time.Minute},
	outcomeCrossed:     {throttlePause, throttlePause},
	outcomeUnreachable: {time.Minute, time.Hour},
	outcomeImpassable:  {30 * time.Minute, 6 * time.Hour},
	outcomeHandshake:   {time.Minute, time.Hour},
	outcomeUseless:     {30 * time.Minute, 6 * time.Hour},
	outcomeLost:        {throttlePause, 10 * time.Minute},
}

// at returns the pause for a node at these endpoints. A throttlePause is shorter in a private
// network, because clients there do not refuse an address that connects again.
func (p pause) at(endpoints []netip.AddrPort) pause {
	far := func(at netip.AddrPort) bool { return !netaddr.Private(at.Addr()) }
	if p.first == throttlePause && len(endpoints) > 0 && !slices.ContainsFunc(endpoints, far) {
		p.first /= 4
	}
	return p
}

// staticPauses are for static nodes. They are short, because the operator wants these links.
var staticPauses = [numOutcomes]pause{
	outcomeOurs:        {redialMin, redialMax},
	outcomeBusy:        {redialMin, redialMax},
	outcomeCrossed:     {redialMin, redialMax},
	outcomeUnreachable: {redialMin, redialMax},
	outcomeImpassable:  {redialMin, redialMax},
	outcomeHandshake:   {redialMin, redialMax},
	outcomeUseless:     {10 * redialMin, 10 * redialMax},
	outcomeLost:        {redialMin, redialMax},
}

// hostPause is for all ports of a public address at which no node answered. Without it an
// attacker could make us flood an address, with records that have many of its ports.
var hostPause = pause{5 * time.Second, 5 * time.Minute}

// after returns the pause after a number of earlier failures, less up to a fifth by jitter
// in [0, 1).
func (p pause) after(failures int, jitter float64) time.Duration {
	d := p.first
	for range failures {
		if d >= p.most {
			break
		}
		d *= 2
	}
	d = min(d, p.most)
	return d - time.Duration(jitter*float64(d/5))
}

// outcomeOfDial classifies the end of a dial.
func outcomeOfDial(err error) outcome {
	var (
		remote *wire.RemoteDisconnect
		ours   *refusal.Unreachable
	)
	switch {
	case err == nil:
		return outcomeLinked
	case errors.As(err, &remote):
		return outcomeOfReason(remote.Reason)
	case errors.Is(err, punch.ErrImpossible), errors.Is(err, punch.ErrFiltered), errors.Is(err, punch.ErrUDPOnly):
		return outcomeImpassable
	case errors.Is(err, punch.ErrCrossed):
		return outcomeCrossed
	case errors.Is(err, punch.ErrBusy), errors.Is(err, punch.ErrDown):
		return outcomeOurs // the node was not called; a call may be possible soon
	case errors.As(err, &ours), errors.Is(err, refusal.ErrSetupTimeout):
		return outcomeUnreachable
	case errors.Is(err, refusal.ErrUselessPeer):
		return outcomeUseless
	case errors.Is(err, refusal.ErrCancelled), errors.Is(err, refusal.ErrBanned), errors.Is(err, refusal.ErrProtocolRemoved), errors.Is(err, wire.DiscTooManyPeers), errors.Is(err, refusal.ErrStopping), errors.Is(err, peers.ErrUndecided):
		return outcomeOurs
	case errors.Is(err, wire.DiscAlreadyConnected), errors.Is(err, refusal.ErrPendingInbound), errors.Is(err, refusal.ErrAlreadyDialing):
		return outcomeCrossed
	}
	return outcomeHandshake
}

// outcomeOfLink classifies the end of a link.
func outcomeOfLink(c *actors.Cause) outcome {
	switch {
	case c == nil:
		return outcomeLost
	case errors.Is(c.Err, refusal.ErrMadeRoom):
		return outcomeUseless // it was among the least useful peers, and another node gets its place
	case errors.Is(c.Err, refusal.ErrProtocolRemoved):
		return outcomeOurs // a protocol may be added soon
	case c.Side == actors.Network:
		return outcomeLost
	}
	return outcomeOfReason(c.Reason)
}

func outcomeOfReason(r wire.DiscReason) outcome {
	switch r {
	case wire.DiscTooManyPeers:
		return outcomeBusy
	case wire.DiscAlreadyConnected:
		return outcomeCrossed
	case wire.DiscRequested, wire.DiscNetworkError, wire.DiscQuitting, wire.DiscReadTimeout:
		return outcomeLost
	}
	return outcomeUseless
}

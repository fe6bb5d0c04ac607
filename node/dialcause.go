package node

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// dialCause is why a dial did not become a link, or why a link ended, as far as it matters
// for when to dial the node again.
type dialCause uint8

const (
	causeNone        dialCause = iota // it did
	causeOurs                         // we had no room or no wish for it
	causeBusy                         // the remote has too many peers
	causeCrossed                      // there is another connection between the two
	causeUnreachable                  // no connection came about
	causeImpassable                   // and none can, as long as both sides' NATs are what they are
	causeHandshake                    // the connection came to nothing
	causeUseless                      // the remote has nothing for us, or thinks so of us
	causeLost                         // there was a link, and it ended
	numCauses
)

func (c dialCause) String() string {
	return [...]string{"none", "ours", "busy", "crossed", "unreachable", "impassable", "handshake", "useless", "lost"}[c]
}

// pause is how long to leave a node in peace after its first failure, doubling with each
// further one up to most.
type pause struct{ first, most time.Duration }

// doorClosed is how long other clients close what comes from the same address again,
// which is 30 s, and what jitter may take of a pause.
const doorClosed = 40 * time.Second

// dynamicPauses are for nodes that we came across.
var dynamicPauses = [numCauses]pause{
	causeOurs:        {doorClosed, doorClosed},
	causeBusy:        {doorClosed, 10 * time.Minute},
	causeCrossed:     {doorClosed, doorClosed},
	causeUnreachable: {time.Minute, time.Hour},
	causeImpassable:  {30 * time.Minute, 6 * time.Hour},
	causeHandshake:   {time.Minute, time.Hour},
	causeUseless:     {30 * time.Minute, 6 * time.Hour},
	causeLost:        {doorClosed, 10 * time.Minute},
}

// at shortens the pause for a node in a private network, where nobody closes his door to
// an address that comes again, as long as that is what the pause is for.
func (p pause) at(endpoints []netip.AddrPort) pause {
	far := func(at netip.AddrPort) bool { return !netaddr.Private(at.Addr()) }
	if p.first == doorClosed && len(endpoints) > 0 && !slices.ContainsFunc(endpoints, far) {
		p.first /= 4
	}
	return p
}

// staticPauses are for nodes that the operator wants, and soon.
var staticPauses = [numCauses]pause{
	causeOurs:        {redialMin, redialMax},
	causeBusy:        {redialMin, redialMax},
	causeCrossed:     {redialMin, redialMax},
	causeUnreachable: {redialMin, redialMax},
	causeImpassable:  {redialMin, redialMax},
	causeHandshake:   {redialMin, redialMax},
	causeUseless:     {10 * redialMin, 10 * redialMax},
	causeLost:        {redialMin, redialMax},
}

// hostPause is for all ports of a public address at which nobody was found: records with
// many ports of one address would otherwise make us the tool of somebody's attack.
var hostPause = pause{5 * time.Second, 5 * time.Minute}

// after is the pause after so many failures before this one, less up to a fifth by
// jitter in [0, 1).
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

// causeOfSetup sorts the end of a dial.
func causeOfSetup(err error) dialCause {
	var (
		remote *wire.RemoteDisconnect
		ours   *refusal.Unreachable
	)
	switch {
	case err == nil:
		return causeNone
	case errors.As(err, &remote):
		return causeOfReason(remote.Reason)
	case errors.Is(err, punch.ErrImpossible), errors.Is(err, punch.ErrFiltered), errors.Is(err, punch.ErrUDPOnly):
		return causeImpassable
	case errors.Is(err, punch.ErrCrossed):
		return causeCrossed
	case errors.Is(err, punch.ErrBusy), errors.Is(err, punch.ErrDown):
		return causeOurs // it was not called, and may be soon
	case errors.As(err, &ours), errors.Is(err, refusal.ErrSetupTimeout):
		return causeUnreachable
	case errors.Is(err, refusal.ErrUselessPeer):
		return causeUseless
	case errors.Is(err, refusal.ErrCancelled), errors.Is(err, refusal.ErrBanned), errors.Is(err, refusal.ErrProtocolRemoved), errors.Is(err, wire.DiscTooManyPeers), errors.Is(err, refusal.ErrStopping):
		return causeOurs
	case errors.Is(err, wire.DiscAlreadyConnected), errors.Is(err, refusal.ErrPendingInbound), errors.Is(err, refusal.ErrAlreadyDialing):
		return causeCrossed
	}
	return causeHandshake
}

// causeOfEnd sorts the end of a link.
func causeOfEnd(c *Cause) dialCause {
	switch {
	case c == nil:
		return causeLost
	case errors.Is(c.Err, refusal.ErrMadeRoom):
		return causeUseless // it was of least use, and others are to have their turn
	case errors.Is(c.Err, refusal.ErrProtocolRemoved):
		return causeOurs // and there may be another one soon
	case c.Side == actors.Network:
		return causeLost
	}
	return causeOfReason(c.Reason)
}

func causeOfReason(r wire.DiscReason) dialCause {
	switch r {
	case wire.DiscTooManyPeers:
		return causeBusy
	case wire.DiscAlreadyConnected:
		return causeCrossed
	case wire.DiscRequested, wire.DiscNetworkError, wire.DiscQuitting, wire.DiscReadTimeout:
		return causeLost
	}
	return causeUseless
}

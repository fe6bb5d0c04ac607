package dial

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
)

const (
	// maxCandidates limits the candidates that wait to be dialed.
	maxCandidates = 64
	// candidateAge is how long a candidate may wait. After that its record may be out of date.
	candidateAge = 10 * time.Minute
)

// The reasons not to dial a candidate, in addition to those of package refusal.
var (
	errStatic       = errors.New("static")
	errWaiting      = errors.New("already waiting")
	errEndpointBusy = errors.New("endpoint being dialed")
	errRecently     = errors.New("dialed recently")
	errStale        = errors.New("waited too long")
	errEnough       = errors.New("too many waiting")
)

// pool has the candidates that wait to be dialed, and the outcomes of earlier dials.
type pool struct {
	// refuse returns the refusal of a link to a node, nil if it would be admitted.
	refuse func(peers.Remote) error
	// networks are the networks that may be dialed, see netaddr.Allowed.
	networks []netip.Prefix
	// callsNATs says that nodes can be reached through NATs.
	callsNATs bool

	waiting []candidate // oldest first
	history history
}

// candidate is a node that a source found.
type candidate struct {
	node  *enode.Node
	since time.Time
}

// offer adds a candidate, or returns why the node will not be dialed.
func (p *plan) offer(n *enode.Node, now time.Time) error {
	p.stats.addCandidate()
	err := p.check(n, now)
	switch {
	case err != nil:
	case slices.ContainsFunc(p.waiting, func(c candidate) bool { return c.node.ID() == n.ID() }):
		err = errWaiting
	case len(p.waiting) >= maxCandidates:
		err = errEnough
	}
	if err != nil {
		p.stats.skip(err)
		return err
	}
	p.waiting = append(p.waiting, candidate{n, now})
	return nil
}

// places lists the endpoints of a candidate: those to dial, or the one at which to call it
// through NATs.
func (p *pool) places(n *enode.Node) []netip.AddrPort {
	all := netaddr.Endpoints(n)
	if udp, ok := n.UDPEndpoint(); ok && len(all) == 0 && p.callsNATs {
		if _, takes := punch.Takes(n); takes {
			all = append(all, netaddr.Unmap(udp))
		}
	}
	return all
}

// takeCandidate removes and returns the candidate that has waited longest.
func (p *plan) takeCandidate() candidate {
	c := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return c
}

// check returns the reason not to dial a candidate now, nil if there is none.
func (p *plan) check(n *enode.Node, now time.Time) error {
	all := p.places(n)
	i := slices.IndexFunc(all, func(at netip.AddrPort) bool { return netaddr.Allowed(p.networks, at.Addr()) })
	switch {
	case len(all) == 0 || n.Pubkey() == nil:
		return refusal.ErrNoAddress
	case i < 0:
		return refusal.ErrNotAllowed
	case p.targets[n.ID()] != nil:
		return errStatic
	case p.history.recent(n.ID(), all, now):
		return errRecently
	}
	for _, d := range p.active {
		if d.id == n.ID() {
			return refusal.ErrAlreadyDialing
		}
	}
	if p.busy(all) {
		return errEndpointBusy
	}
	return p.refuse(peers.Remote{ID: n.ID(), Addr: all[i].Addr().Unmap()})
}

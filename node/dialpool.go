package node

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
)

const (
	// maxCandidates bounds the candidates that wait to be dialed.
	maxCandidates = 64
	// candidateAge is how long one may wait; after that there are fresher ones.
	candidateAge = 10 * time.Minute
)

// The reasons not to dial a candidate, beside those of refusal.go.
var (
	errStatic       = errors.New("static")
	errWaiting      = errors.New("waits already")
	errEndpointBusy = errors.New("endpoint being dialed")
	errRecently     = errors.New("dialed recently")
	errStale        = errors.New("waited too long")
	errEnough       = errors.New("enough wait")
)

// dialPool is the candidates that wait to be dialed, and what became of earlier ones.
type dialPool struct {
	// refuse says whether a link would be refused anyway.
	refuse func(caller) error
	// networks are those that may be dialed, see netaddr.Allowed.
	networks []netip.Prefix
	// calls says that nodes can be reached through NATs.
	calls bool

	pool    []candidate // oldest first
	history history
}

// candidate is a node that somebody came across.
type candidate struct {
	node  *enode.Node
	since time.Time
}

// offer takes in a candidate, or says why not.
func (p *dialPlan) offer(n *enode.Node, now time.Time) error {
	p.stats.candidates++
	err := p.whyNot(n, now)
	switch {
	case err != nil:
	case slices.ContainsFunc(p.pool, func(c candidate) bool { return c.node.ID() == n.ID() }):
		err = errWaiting
	case len(p.pool) >= maxCandidates:
		err = errEnough
	}
	if err != nil {
		p.stats.passOver(err)
		return err
	}
	p.pool = append(p.pool, candidate{n, now})
	return nil
}

// places lists where a candidate is: the endpoints to dial, or where it would be called.
func (p *dialPool) places(n *enode.Node) []netip.AddrPort {
	all := netaddr.Endpoints(n)
	if udp, ok := n.UDPEndpoint(); ok && len(all) == 0 && p.calls {
		if _, takes := punch.Takes(n); takes {
			all = append(all, udp)
		}
	}
	return all
}

// takeCandidate takes the one that has waited longest out of the pool.
func (p *dialPlan) takeCandidate() candidate {
	c := p.pool[0]
	p.pool = slices.Delete(p.pool, 0, 1)
	return c
}

// whyNot says why a candidate is not to be dialed now; nil: it may be.
func (p *dialPlan) whyNot(n *enode.Node, now time.Time) error {
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
	return p.refuse(caller{id: n.ID(), addr: all[i].Addr().Unmap()})
}

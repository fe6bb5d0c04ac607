package node

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// searchAfter is how often a static node must not have been where it should be before
	// others are asked where it is.
	searchAfter = 2
	// They are asked again after searchFirst, doubling to searchLast.
	searchFirst = time.Minute
	searchLast  = time.Hour
)

// search is what was done to find a static node that is not where it should be.
type search struct {
	misses int // since the last link
	next   time.Time
	pause  time.Duration
}

// where is where to dial a static node next.
func (t *target) where() *enode.Node {
	if t.elsewhere && t.found != nil {
		return t.found
	}
	return t.node
}

// missed takes down that the node was not there. The other address has its turn.
func (t *target) missed(now time.Time) {
	t.elsewhere = !t.elsewhere
	t.search.misses++
	if t.search.misses == searchAfter || t.search.misses < searchAfter && len(dialedAt(t.where())) == 0 {
		t.search.next = now
	}
}

// lost gives the static nodes to search for now, and takes the search as begun. Those with
// a DNS name are looked up at each dial anyway.
func (p *dialPlan) lost(now time.Time) []*enode.Node {
	var lost []*enode.Node
	for _, t := range p.targets {
		if t.search.next.IsZero() || now.Before(t.search.next) || !t.connected.IsZero() || t.node.Hostname() != "" {
			continue
		}
		t.search.pause = min(max(2*t.search.pause, searchFirst), searchLast)
		t.search.next = now.Add(t.search.pause)
		lost = append(lost, t.node)
	}
	return lost
}

// foundAt takes the newest record of a static node, and gives all addresses that it may be
// at; none if that is no news. It is dialed there at once.
func (p *dialPlan) foundAt(n *enode.Node, now time.Time) []netip.Addr {
	t := p.targets[n.ID()]
	if t == nil || len(netaddr.Endpoints(n)) == 0 || t.found != nil && slices.Equal(netaddr.Endpoints(n), netaddr.Endpoints(t.found)) {
		return nil
	}
	t.found = n
	if t.idle() {
		t.elsewhere, t.due = true, now
	}
	return append(netaddr.Addrs(n), netaddr.Addrs(t.node)...)
}

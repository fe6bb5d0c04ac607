package dial

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// resolveAfter is the number of failed dials to a static node after which the dialer
	// requests the node's newest record from discovery.
	resolveAfter = 2
	// The request is repeated after resolveFirst, doubling to resolveLast.
	resolveFirst = time.Minute
	resolveLast  = time.Hour
)

// resolving is the state of the requests for the newest record of a static node.
type resolving struct {
	misses int // dials that failed since the last link
	next   time.Time
	pause  time.Duration
}

// where returns the node to dial next: as configured, or its newest record.
func (t *target) where() *enode.Node {
	if t.elsewhere && t.found != nil {
		return t.found
	}
	return t.node
}

// missed records that the node was not reached. The next dial goes to the other address.
func (t *target) missed(now time.Time) {
	t.elsewhere = !t.elsewhere
	t.resolving.misses++
	if t.resolving.misses == resolveAfter || t.resolving.misses < resolveAfter && len(dialedAt(t.where())) == 0 {
		t.resolving.next = now
	}
}

// lost returns the static nodes whose newest record is to be requested now, and records the
// requests as sent. It leaves out nodes with a DNS name, which is looked up at each dial.
func (p *plan) lost(now time.Time) []*enode.Node {
	var lost []*enode.Node
	for _, t := range p.targets {
		if t.resolving.next.IsZero() || now.Before(t.resolving.next) || !t.connected.IsZero() || t.node.Hostname() != "" {
			continue
		}
		t.resolving.pause = min(max(2*t.resolving.pause, resolveFirst), resolveLast)
		t.resolving.next = now.Add(t.resolving.pause)
		lost = append(lost, t.node)
	}
	return lost
}

// relocate records the newest record of a static node, and makes the node due for a dial there
// at once. It returns all addresses that the node may have, nil if the record has no new
// endpoint.
func (p *plan) relocate(n *enode.Node, now time.Time) []netip.Addr {
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

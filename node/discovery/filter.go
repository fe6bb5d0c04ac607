package discovery

import (
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// The reasons for refusing a node that was found.
const (
	RefusedSelf       = "self"
	RefusedRepeated   = "repeated"    // found recently, by any source
	RefusedNoRecord   = "no record"   // it did not send its record, which is needed to judge it
	RefusedNoTCP      = "no tcp"      // it accepts no connections
	RefusedAddress    = "address"     // no host can have this address
	RefusedLocal      = "local"       // a LAN or loopback address, learned by a public node
	RefusedRestricted = "netrestrict" // an address outside of the allowed networks
	RefusedUnwanted   = "unwanted"    // the running protocols can't use it
	RefusedCrowded    = "crowded"     // too many candidates of its network (/24, for IPv6 /48) in a short time
)

const (
	// repeatAfter is the minimum time before a node is considered again; it may take twice that. In
	// a small network, walks find the same few nodes all the time.
	repeatAfter = 10 * time.Second
	repeatLimit = 4096

	// crowdShare is how many candidates may come from one network within crowdSpan. The library's
	// tables have such limits, but a walk yields every node that a remote sends.
	crowdShare = 10
	crowdSpan  = 5 * time.Minute
	crowdLimit = 4096
)

// filter decides which nodes become candidates.
type filter struct {
	self     enode.ID
	restrict []netip.Prefix
	address  func() netip.Addr             // this node's address in its record; invalid: unknown
	want     func() func(*enode.Node) bool // the predicate may be nil
	lately   *recent[enode.ID]
	crowds   crowds
	refused  refusals
}

func newFilter(c Config) *filter {
	want := c.Want
	if want == nil {
		want = func() func(*enode.Node) bool { return nil }
	}
	return &filter{
		self: c.Local.ID(), restrict: c.NetRestrict, want: want,
		address: func() netip.Addr { return c.Local.Node().IPAddr() },
		lately:  newRecent[enode.ID](repeatAfter, repeatLimit),
	}
}

// needsRecord reports whether a node must be asked for its record before it can be judged.
func (f *filter) needsRecord(n *enode.Node) bool { return n.Seq() == 0 && f.want() != nil }

// precheck refuses this node itself and nodes found recently. It returns true for the others.
func (f *filter) precheck(n *enode.Node, now time.Time) bool {
	switch {
	case n.ID() == f.self:
		return f.refuse(RefusedSelf)
	case f.lately.has(n.ID(), now):
		return f.refuse(RefusedRepeated)
	}
	f.lately.add(n.ID(), now)
	return true
}

// pass reports whether a node becomes a candidate.
func (f *filter) pass(n *enode.Node, now time.Time) bool {
	at, ok := n.TCPEndpoint()
	ip := at.Addr().Unmap()
	switch {
	case !ok:
		return f.refuse(RefusedNoTCP)
	case !netaddr.Public(ip) && !netaddr.Private(ip):
		return f.refuse(RefusedAddress)
	case !netaddr.Allowed(f.restrict, ip):
		return f.refuse(RefusedRestricted)
	case netaddr.Private(ip) && len(f.restrict) == 0 && netaddr.Public(f.address()):
		// Discovery data is untrusted: a public node must not dial LAN or loopback addresses that
		// strangers advertise.
		return f.refuse(RefusedLocal)
	case !f.wanted(n):
		return f.refuse(RefusedUnwanted)
	case !f.crowds.admit(ip, now):
		return f.refuse(RefusedCrowded)
	}
	return true
}

func (f *filter) wanted(n *enode.Node) bool {
	want := f.want()
	return want == nil || want(n)
}

func (f *filter) refuse(cause string) bool {
	f.refused.add(cause)
	return false
}

// refusals counts refused nodes by cause. The actor adds; any goroutine reads.
type refusals struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func (r *refusals) add(cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]uint64{}
	}
	r.counts[cause]++
}

func (r *refusals) snapshot() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make(map[string]uint64, len(r.counts))
	maps.Copy(counts, r.counts)
	return counts
}

// crowds counts candidates by network, for crowdSpan. Local networks have no limit. With more than
// crowdLimit networks, the count is reset.
type crowds struct {
	counts map[netip.Prefix]int
	since  time.Time
}

func (c *crowds) admit(ip netip.Addr, now time.Time) bool {
	if netaddr.Private(ip) {
		return true
	}
	if c.counts == nil || now.Sub(c.since) >= crowdSpan || len(c.counts) >= crowdLimit {
		c.counts, c.since = map[netip.Prefix]int{}, now
	}
	network := netaddr.Network(ip)
	if c.counts[network] >= crowdShare {
		return false
	}
	c.counts[network]++
	return true
}

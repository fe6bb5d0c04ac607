package head

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

const (
	// need is how many networks must say the same.
	need = 3
	// perSlot is how many peers are asked in a slot, besides a trusted one.
	perSlot = 3
	// forward is for how many headers after the head peers are asked.
	forward = 64
	// lag is how far the ranges that peers have told may be behind: they tell every 32 blocks.
	lag = 64
)

// Peer is a peer that can be asked.
type Peer struct {
	ID      enode.ID
	Addr    netip.Addr
	Trusted bool        // sets a head without a vote, as static and trusted peers do
	Latest  uint64      // number of its head by its status or its last update; zero: not known
	Head    common.Hash // hash of its head by its status
}

// Query is a request for headers to send to a peer.
type Query struct {
	Peer  enode.ID
	Query serve.HeadersQuery
}

// Decision is what the head is.
type Decision struct {
	Head   *verify.Header  // nil: not known
	Branch []verify.Header // that end with Head: those that are new, and some before
	By     string          // "peers", "trusted peer", or the name of a source
	Left   *verify.Header  // the last head, if it is not in the branch of Head
}

// Election is the state of the votes. One goroutine uses it.
type Election struct {
	slot   time.Duration
	peers  []*peer // those that were asked longest ago first
	claims []claim // at most one for a network or trusted peer, and source
	fixed  []claim
	round  time.Time // of the last queries
	back   uint64    // from how far before the head on peers are asked

	head   *verify.Header
	by     string
	branch branch // ends with head
}

type peer struct {
	Peer
	network netip.Prefix
}

// New returns an Election that knows no head. slot is the time between two blocks.
func New(slot time.Duration) *Election { return &Election{slot: slot, back: leastBack} }

// Join adds a peer, or replaces the one with its ID.
func (e *Election) Join(p Peer) {
	e.Leave(p.ID)
	e.peers = append([]*peer{{p, Network(p.Addr)}}, e.peers...)
}

// Update says which block is a peer's head now.
func (e *Election) Update(id enode.ID, latest uint64, head common.Hash) {
	if p := e.peer(id); p != nil {
		p.Latest, p.Head = latest, head
	}
}

// SetTrusted says whether a peer needs no vote from now on. What it said before a change is forgotten: it is asked
// again within a slot.
func (e *Election) SetTrusted(id enode.ID, trusted bool) {
	p := e.peer(id)
	if p == nil || p.Trusted == trusted {
		return
	}
	p.Trusted = trusted
	e.claims = slices.DeleteFunc(e.claims, func(c claim) bool { return c.peer == id })
}

// Leave removes a peer. What it has said counts until it is old.
func (e *Election) Leave(id enode.ID) {
	e.peers = slices.DeleteFunc(e.peers, func(p *peer) bool { return p.ID == id })
}

func (e *Election) peer(id enode.ID) *peer {
	for _, p := range e.peers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Set sets the head of a source, such as files or an execution node: some headers, each the parent
// of the next. None: the source has no head.
func (e *Election) Set(source string, headers []verify.Header) {
	e.fixed = slices.DeleteFunc(e.fixed, func(c claim) bool { return c.name == source })
	if len(headers) > 0 {
		e.fixed = append(e.fixed, claim{name: source, trusted: true, headers: headers})
	}
}

// SetStale is Set for a source that may be behind, such as an execution node that does not answer. Its
// head counts without a vote, but peers may contradict it, and it contradicts none.
func (e *Election) SetStale(source string, headers []verify.Header) {
	e.Set(source, headers)
	if len(headers) > 0 {
		e.fixed[len(e.fixed)-1].stale = true
	}
}

// Next returns when Ask has queries again.
func (e *Election) Next() time.Time { return e.round.Add(e.slot) }

// Ask returns the queries of a slot, and none if there were some in this slot. Peers take turns,
// one of a network at a time; those that are far behind others have no turn.
func (e *Election) Ask(now time.Time) (queries []Query) {
	if now.Before(e.Next()) {
		return nil
	}
	e.round = now
	e.back = e.nextBack()
	latest := e.latest()
	var networks []netip.Prefix
	trusted := false
	for _, p := range slices.Clone(e.peers) {
		q, ok := e.query(p, latest)
		switch {
		case !ok:
			continue
		case p.Trusted && !trusted:
			trusted = true
		case len(networks) == perSlot || slices.Contains(networks, p.network), p.Latest != 0 && p.Latest < latest-min(latest, lag):
			continue
		default:
			networks = append(networks, p.network)
		}
		queries = append(queries, Query{p.ID, q})
		e.peers = append(slices.DeleteFunc(e.peers, func(o *peer) bool { return o == p }), p)
	}
	return queries
}

// latest returns the number of the head that most networks say they have reached; zero: not known.
func (e *Election) latest() uint64 {
	of := map[netip.Prefix]uint64{}
	for _, p := range e.peers {
		if p.Latest != 0 {
			of[p.network] = max(of[p.network], p.Latest)
		}
	}
	var all []uint64
	for _, n := range of {
		all = append(all, n)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// query returns what a peer is asked for: the headers from some before the head on. If most are far
// from the head, they are asked for what they have: so a head that is none is found out. ok is
// false if nothing is known to begin with.
func (e *Election) query(p *peer, latest uint64) (q serve.HeadersQuery, ok bool) {
	from := uint64(0)
	switch {
	case e.head != nil && (latest == 0 || max(e.head.Number, latest)-min(e.head.Number, latest) <= lag):
		from = e.head.Number
	case latest != 0:
		from = latest
	case p.Head != (common.Hash{}):
		q.Origin.Hash, q.Amount = p.Head, 1
		return q, true
	default:
		return q, false
	}
	to := from + min(forward, math.MaxUint64-from)
	if p.Trusted && p.Latest != 0 {
		from = min(from, p.Latest)
	}
	from = e.trustedEnd(from)
	from -= min(from, e.back)
	q.Origin.Number, q.Amount = from, min(to-from+1, serve.MaxItems)
	return q, true
}

// trustedEnd returns the lowest number, a little below from, at which what a trusted peer or a
// source says ends: others are to say what they have there, too.
func (e *Election) trustedEnd(from uint64) uint64 {
	lowest := from
	for _, c := range slices.Concat(e.fixed, e.claims) {
		if c.trusted && len(c.headers) > 0 && c.end() < lowest && from-c.end() <= mostBack {
			lowest = c.end()
		}
	}
	return lowest
}

// Answer takes the headers that a peer has answered a query with. No headers are an answer, too; a
// peer that did not answer says nothing.
func (e *Election) Answer(now time.Time, from enode.ID, q serve.HeadersQuery, headers []verify.Header) {
	p := e.peer(from)
	if p == nil || q.Skip != 0 || q.Reverse {
		return
	}
	c := claim{peer: from, network: p.network, trusted: p.Trusted, at: now, headers: slices.Clone(headers), from: q.Origin.Number}
	c.open = uint64(len(headers)) == q.Amount
	latest := now.Add(future).Unix()
	for i := range headers {
		if latest < 0 || headers[i].Fields.Time > uint64(latest) {
			c.headers, c.open = c.headers[:i], true
			break
		}
	}
	if q.Origin.Hash != (common.Hash{}) {
		if len(c.headers) == 0 {
			return // its head has changed since
		}
		p.Latest = max(p.Latest, c.end())
	}
	e.claims = slices.DeleteFunc(e.claims, func(o claim) bool {
		return o.peer == c.peer || !o.trusted && !c.trusted && o.network == c.network
	})
	e.claims = append(e.claims, c)
}

package node

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// TestShares: who has which part of the places.
func TestShares(t *testing.T) {
	three := limits{peers: 3, outbound: 1}
	tests := []struct {
		name    string
		limits  limits
		static  []byte // nodes that are to be connected
		members []caller
		comes   caller
		want    error
	}{
		{name: "inbound up to their share", limits: three, members: []caller{from(1)}, comes: from(2)},
		{name: "inbound beyond it", limits: three, members: []caller{from(1), from(2)}, comes: from(3), want: refusal.ErrInboundFull},
		{name: "a dial has the rest", limits: three, members: []caller{from(1), from(2)}, comes: to(from(3))},
		{name: "dials may have more than theirs", limits: three, members: []caller{to(from(1)), to(from(2))}, comes: to(from(3))},
		{name: "those count in the whole", limits: three, members: []caller{to(from(1)), to(from(2)), to(from(3))}, comes: from(4), want: refusal.ErrTooManyPeers},
		{name: "a static node that dials us has a place of its own", limits: three, static: []byte{9}, members: []caller{from(1), from(2)}, comes: from(9)},
		{name: "and is none of the inbound ones", limits: three, static: []byte{1}, members: []caller{from(1), from(2)}, comes: from(3)},
		{name: "loopback counts apart here too", limits: limits{peers: 3, outbound: 1, loopback: 9}, members: []caller{from(1), from(2)}, comes: fromHere(3)},
		{name: "one may come in even where dials have all", limits: limits{peers: 1, outbound: 1}, comes: from(1)},

		{name: "a place is kept for a static node", limits: limits{peers: 4}, static: []byte{9}, members: []caller{from(1), from(2), from(3)}, comes: from(4), want: refusal.ErrTooManyPeers},
		{name: "which it finds", limits: limits{peers: 4}, static: []byte{9}, members: []caller{from(1), from(2), from(3)}, comes: to(from(9))},
		{name: "none when it is there", limits: limits{peers: 4}, static: []byte{9}, members: []caller{from(1), from(2), to(from(9))}, comes: from(4)},
		{name: "half of all at most", limits: limits{peers: 4}, static: []byte{6, 7, 8, 9}, members: []caller{from(1)}, comes: from(2)},
		{name: "half of all, taken", limits: limits{peers: 4}, static: []byte{6, 7, 8, 9}, members: []caller{from(1), from(2)}, comes: from(3), want: refusal.ErrTooManyPeers},

		{name: "address full", limits: limits{peers: 9, perHost: 1}, members: []caller{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.1"), want: refusal.ErrCrowdedHost},
		{name: "network full", limits: limits{peers: 9, perNetwork: 1}, members: []caller{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.2"), want: refusal.ErrCrowdedNetwork},
		{name: "for dials too", limits: limits{peers: 9, perNetwork: 1}, members: []caller{at(1, "203.0.113.1")}, comes: to(at(2, "203.0.113.2")), want: refusal.ErrCrowdedNetwork},
		{name: "not for static nodes", limits: limits{peers: 9, perHost: 1}, static: []byte{2}, members: []caller{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.1")},
		{name: "which take nobody's share", limits: limits{peers: 9, perHost: 1}, static: []byte{1}, members: []caller{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.1")},
		{name: "not on loopback", limits: limits{peers: 9, perHost: 1}, members: []caller{fromHere(1)}, comes: fromHere(2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoster(nodeID(0x50), tt.limits)
			for _, id := range tt.static {
				r.setStatic(nodeID(id), true)
			}
			var there []*member
			for _, c := range tt.members {
				there = append(there, joined(t, r, c))
			}
			if err := r.check(tt.comes); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			for _, m := range there {
				r.leave(m)
			}
			if r.counts != (counts{}) || len(r.neighbour.count) != 0 {
				t.Errorf("all have left, and %+v are counted, at %v", r.counts, r.neighbour.count)
			}
		})
	}
}

// TestCountsFollowTheConfiguration: a peer that becomes static or trusted takes nobody's
// share any more, and the other way round.
func TestCountsFollowTheConfiguration(t *testing.T) {
	r := newRoster(nodeID(0x50), limits{peers: 9, perHost: 1})
	m := joined(t, r, at(1, "203.0.113.1"))
	dynamic := r.counts
	r.setTrusted(m.id, true)
	r.setStatic(m.id, true)
	if err := r.check(at(2, "203.0.113.1")); err != nil || r.counts.inbound != 0 {
		t.Errorf("beside a static node: %v, counted %+v", err, r.counts)
	}
	r.setTrusted(m.id, false)
	r.setStatic(m.id, false)
	if err := r.check(at(2, "203.0.113.1")); !errors.Is(err, refusal.ErrCrowdedHost) || r.counts != dynamic {
		t.Errorf("static no longer: %v, counted %+v, want %v and %+v", err, r.counts, refusal.ErrCrowdedHost, dynamic)
	}
}

// TestNetworkOfManyIdentities: a thousand node IDs from one /24 get their share and no
// more, and leave the others theirs.
func TestNetworkOfManyIdentities(t *testing.T) {
	l := Config{MaxPeers: 50}.limits()
	r := newRoster(nodeID(0xff), l)
	in := 0
	for i := range 1000 {
		c := caller{
			id: enode.ID{0xee, byte(i >> 8), byte(i)}, inbound: i%2 == 0,
			addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}),
		}
		if r.check(c) == nil {
			joined(t, r, c)
			in++
		}
	}
	if in != 10 {
		t.Errorf("%d of one network came in, want 10 of 50", in)
	}
	for i := range 40 {
		c := from(byte(i))
		joined(t, r, c)
	}
}

func TestBannedCallers(t *testing.T) {
	ledger := bans.NewLedger(supervise.SystemClock)
	r := newRoster(nodeID(0x50), limits{peers: 9})
	r.banned = ledger.Check
	r.setStatic(nodeID(7), true)
	r.locate(nodeID(7), []netip.Addr{netip.MustParseAddr("203.0.113.7")})
	for _, target := range []bans.Target{bans.ByID(nodeID(1)), bans.ByID(nodeID(7)), {Net: netip.MustParsePrefix("203.0.113.0/24")}} {
		ledger.Ban(target, time.Hour, "test")
	}
	tests := []struct {
		name string
		who  caller
		want error
	}{
		{"another", at(2, "198.51.100.1"), nil},
		{"by ID", at(1, "198.51.100.1"), refusal.ErrBanned},
		{"by network", at(2, "203.0.113.1"), refusal.ErrBanned},
		{"static", at(7, "203.0.113.7"), nil},
		{"static, elsewhere", at(7, "203.0.113.8"), nil},
		{"who shares the address of a static node", at(2, "203.0.113.7"), nil},
		{"who shares it, but is banned by ID", at(1, "203.0.113.7"), refusal.ErrBanned},
	}
	for _, tt := range tests {
		for _, c := range []caller{tt.who, to(tt.who)} {
			if err := r.check(c); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%s, inbound %v: got %v, want %v", tt.name, c.inbound, err, tt.want)
			}
		}
	}
}

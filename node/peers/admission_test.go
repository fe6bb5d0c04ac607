package peers

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
	three := Limits{Peers: 3, Outbound: 1}
	tests := []struct {
		name    string
		limits  Limits
		static  []byte // nodes that are to be connected
		members []Remote
		comes   Remote
		want    error
	}{
		{name: "inbound up to their share", limits: three, members: []Remote{from(1)}, comes: from(2)},
		{name: "inbound beyond it", limits: three, members: []Remote{from(1), from(2)}, comes: from(3), want: refusal.ErrInboundFull},
		{name: "a dial has the rest", limits: three, members: []Remote{from(1), from(2)}, comes: to(from(3))},
		{name: "dials may have more than theirs", limits: three, members: []Remote{to(from(1)), to(from(2))}, comes: to(from(3))},
		{name: "those count in the whole", limits: three, members: []Remote{to(from(1)), to(from(2)), to(from(3))}, comes: from(4), want: refusal.ErrTooManyPeers},
		{name: "a static node that dials us has a place of its own", limits: three, static: []byte{9}, members: []Remote{from(1), from(2)}, comes: from(9)},
		{name: "and is none of the inbound ones", limits: three, static: []byte{1}, members: []Remote{from(1), from(2)}, comes: from(3)},
		{name: "loopback counts apart here too", limits: Limits{Peers: 3, Outbound: 1, Loopback: 9}, members: []Remote{from(1), from(2)}, comes: fromHere(3)},
		{name: "one may come in even where dials have all", limits: Limits{Peers: 1, Outbound: 1}, comes: from(1)},

		{name: "a place is kept for a static node", limits: Limits{Peers: 4}, static: []byte{9}, members: []Remote{from(1), from(2), from(3)}, comes: from(4), want: refusal.ErrTooManyPeers},
		{name: "which it finds", limits: Limits{Peers: 4}, static: []byte{9}, members: []Remote{from(1), from(2), from(3)}, comes: to(from(9))},
		{name: "none when it is there", limits: Limits{Peers: 4}, static: []byte{9}, members: []Remote{from(1), from(2), to(from(9))}, comes: from(4)},
		{name: "half of all at most", limits: Limits{Peers: 4}, static: []byte{6, 7, 8, 9}, members: []Remote{from(1)}, comes: from(2)},
		{name: "half of all, taken", limits: Limits{Peers: 4}, static: []byte{6, 7, 8, 9}, members: []Remote{from(1), from(2)}, comes: from(3), want: refusal.ErrTooManyPeers},

		{name: "address full", limits: Limits{Peers: 9, PerHost: 1}, members: []Remote{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.1"), want: refusal.ErrCrowdedHost},
		{name: "network full", limits: Limits{Peers: 9, PerNetwork: 1}, members: []Remote{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.2"), want: refusal.ErrCrowdedNetwork},
		{name: "for dials too", limits: Limits{Peers: 9, PerNetwork: 1}, members: []Remote{at(1, "203.0.113.1")}, comes: to(at(2, "203.0.113.2")), want: refusal.ErrCrowdedNetwork},
		{name: "not for static nodes", limits: Limits{Peers: 9, PerHost: 1}, static: []byte{2}, members: []Remote{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.1")},
		{name: "which take nobody's share", limits: Limits{Peers: 9, PerHost: 1}, static: []byte{1}, members: []Remote{at(1, "203.0.113.1")}, comes: at(2, "203.0.113.1")},
		{name: "not on loopback", limits: Limits{Peers: 9, PerHost: 1}, members: []Remote{fromHere(1)}, comes: fromHere(2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewTable(nodeID(0x50), tt.limits, nil)
			for _, id := range tt.static {
				r.SetStatic(nodeID(id), true)
			}
			var there []*Member
			for _, c := range tt.members {
				there = append(there, joined(t, r, c))
			}
			if err := r.Check(tt.comes); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			for _, m := range there {
				r.remove(m)
			}
			if r.counts != (counts{}) || len(r.shares.count) != 0 {
				t.Errorf("all have left, and %+v are counted, at %v", r.counts, r.shares.count)
			}
		})
	}
}

// TestCountsFollowTheConfiguration: a peer that becomes static or trusted takes nobody's
// share any more, and the other way round.
func TestCountsFollowTheConfiguration(t *testing.T) {
	r := NewTable(nodeID(0x50), Limits{Peers: 9, PerHost: 1}, nil)
	m := joined(t, r, at(1, "203.0.113.1"))
	dynamic := r.counts
	r.SetTrusted(m.ID, true)
	r.SetStatic(m.ID, true)
	if err := r.Check(at(2, "203.0.113.1")); err != nil || r.counts.inbound != 0 {
		t.Errorf("beside a static node: %v, counted %+v", err, r.counts)
	}
	r.SetTrusted(m.ID, false)
	r.SetStatic(m.ID, false)
	if err := r.Check(at(2, "203.0.113.1")); !errors.Is(err, refusal.ErrCrowdedHost) || r.counts != dynamic {
		t.Errorf("static no longer: %v, counted %+v, want %v and %+v", err, r.counts, refusal.ErrCrowdedHost, dynamic)
	}
}

// TestNetworkOfManyIdentities: a thousand node IDs from one /24 get their share and no
// more, and leave the others theirs.
func TestNetworkOfManyIdentities(t *testing.T) {
	l := Limits{Peers: 50}
	l.PerHost, l.PerNetwork = SharesFor(l.Peers)
	r := NewTable(nodeID(0xff), l, nil)
	in := 0
	for i := range 1000 {
		c := Remote{
			ID: enode.ID{0xee, byte(i >> 8), byte(i)}, Inbound: i%2 == 0,
			Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}),
		}
		if r.Check(c) == nil {
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
	r := NewTable(nodeID(0x50), Limits{Peers: 9}, ledger.Check)
	r.SetStatic(nodeID(7), true)
	r.Locate(nodeID(7), []netip.Addr{netip.MustParseAddr("203.0.113.7")})
	for _, target := range []bans.Target{bans.ByID(nodeID(1)), bans.ByID(nodeID(7)), {Net: netip.MustParsePrefix("203.0.113.0/24")}} {
		ledger.Ban(target, time.Hour, "test")
	}
	tests := []struct {
		name string
		who  Remote
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
		for _, c := range []Remote{tt.who, to(tt.who)} {
			if err := r.Check(c); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%s, inbound %v: got %v, want %v", tt.name, c.Inbound, err, tt.want)
			}
		}
	}
}

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

// TestAdmissionLimits: how the places are divided among dialed, inbound, static and loopback peers,
// addresses and networks.
func TestAdmissionLimits(t *testing.T) {
	three := Limits{Peers: 3, Outbound: 1}
	tests := []struct {
		name    string
		limits  Limits
		static  []byte // static nodes
		members []Remote
		remote  Remote
		want    error
	}{
		{name: "inbound within the limit", limits: three, members: []Remote{from(1)}, remote: from(2)},
		{name: "inbound beyond the limit", limits: three, members: []Remote{from(1), from(2)}, remote: from(3), want: refusal.ErrInboundFull},
		{name: "dial in a place kept for dials", limits: three, members: []Remote{from(1), from(2)}, remote: to(from(3))},
		{name: "dial in a place of inbound peers", limits: three, members: []Remote{to(from(1)), to(from(2))}, remote: to(from(3))},
		{name: "dialed peers count towards the total", limits: three, members: []Remote{to(from(1)), to(from(2)), to(from(3))}, remote: from(4), want: refusal.ErrTooManyPeers},
		{name: "inbound static node beyond the inbound limit", limits: three, static: []byte{9}, members: []Remote{from(1), from(2)}, remote: from(9)},
		{name: "static node does not count as inbound", limits: three, static: []byte{1}, members: []Remote{from(1), from(2)}, remote: from(3)},
		{name: "loopback counts separately", limits: Limits{Peers: 3, Outbound: 1, Loopback: 9}, members: []Remote{from(1), from(2)}, remote: fromHere(3)},
		{name: "one inbound peer even if all places are for dials", limits: Limits{Peers: 1, Outbound: 1}, remote: from(1)},

		{name: "a place is kept for a static node", limits: Limits{Peers: 4}, static: []byte{9}, members: []Remote{from(1), from(2), from(3)}, remote: from(4), want: refusal.ErrTooManyPeers},
		{name: "the static node gets the place", limits: Limits{Peers: 4}, static: []byte{9}, members: []Remote{from(1), from(2), from(3)}, remote: to(from(9))},
		{name: "no place is kept for a connected static node", limits: Limits{Peers: 4}, static: []byte{9}, members: []Remote{from(1), from(2), to(from(9))}, remote: from(4)},
		{name: "at most half of all places are kept", limits: Limits{Peers: 4}, static: []byte{6, 7, 8, 9}, members: []Remote{from(1)}, remote: from(2)},
		{name: "the other half is taken", limits: Limits{Peers: 4}, static: []byte{6, 7, 8, 9}, members: []Remote{from(1), from(2)}, remote: from(3), want: refusal.ErrTooManyPeers},

		{name: "address full", limits: Limits{Peers: 9, PerHost: 1}, members: []Remote{at(1, "203.0.113.1")}, remote: at(2, "203.0.113.1"), want: refusal.ErrCrowdedHost},
		{name: "network full", limits: Limits{Peers: 9, PerNetwork: 1}, members: []Remote{at(1, "203.0.113.1")}, remote: at(2, "203.0.113.2"), want: refusal.ErrCrowdedNetwork},
		{name: "network full for dials", limits: Limits{Peers: 9, PerNetwork: 1}, members: []Remote{at(1, "203.0.113.1")}, remote: to(at(2, "203.0.113.2")), want: refusal.ErrCrowdedNetwork},
		{name: "address full, but the node is static", limits: Limits{Peers: 9, PerHost: 1}, static: []byte{2}, members: []Remote{at(1, "203.0.113.1")}, remote: at(2, "203.0.113.1")},
		{name: "static nodes do not count at an address", limits: Limits{Peers: 9, PerHost: 1}, static: []byte{1}, members: []Remote{at(1, "203.0.113.1")}, remote: at(2, "203.0.113.1")},
		{name: "loopback has no limit per address", limits: Limits{Peers: 9, PerHost: 1}, members: []Remote{fromHere(1)}, remote: fromHere(2)},
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
			if err := r.Check(tt.remote); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			for _, m := range there {
				r.remove(m)
			}
			if r.counts != (counts{}) || len(r.shares.count) != 0 {
				t.Errorf("counts %+v and shares %v after all links have ended", r.counts, r.shares.count)
			}
		})
	}
}

// TestCountsFollowTheConfiguration: a peer that becomes static or trusted no longer counts
// towards the limits of its address, and counts again afterwards.
func TestCountsFollowTheConfiguration(t *testing.T) {
	r := NewTable(nodeID(0x50), Limits{Peers: 9, PerHost: 1}, nil)
	m := joined(t, r, at(1, "203.0.113.1"))
	dynamic := r.counts
	r.SetTrusted(m.ID, true)
	r.SetStatic(m.ID, true)
	if err := r.Check(at(2, "203.0.113.1")); err != nil || r.counts.inbound != 0 {
		t.Errorf("at the address of a static node: %v, counts %+v", err, r.counts)
	}
	r.SetTrusted(m.ID, false)
	r.SetStatic(m.ID, false)
	if err := r.Check(at(2, "203.0.113.1")); !errors.Is(err, refusal.ErrCrowdedHost) || r.counts != dynamic {
		t.Errorf("no longer static: %v, counts %+v, want %v and %+v", err, r.counts, refusal.ErrCrowdedHost, dynamic)
	}
}

// TestNetworkOfManyIdentities: a thousand node IDs from one /24 get the share of one network.
// The other places are free for other networks.
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
		t.Errorf("%d nodes of one network admitted, want 10 of 50", in)
	}
	for i := range 40 {
		c := from(byte(i))
		joined(t, r, c)
	}
}

func TestBannedRemotes(t *testing.T) {
	ledger := bans.NewLedger(supervise.SystemClock)
	r := NewTable(nodeID(0x50), Limits{Peers: 9}, ledger.Check)
	r.SetStatic(nodeID(7), true)
	r.Locate(nodeID(7), "there", []netip.Addr{netip.MustParseAddr("203.0.113.7")})
	for _, target := range []bans.Target{bans.ByID(nodeID(1)), bans.ByID(nodeID(7)), {Net: netip.MustParsePrefix("203.0.113.0/24")}} {
		ledger.Ban(target, time.Hour, "test")
	}
	tests := []struct {
		name   string
		remote Remote
		want   error
	}{
		{"no ban", at(2, "198.51.100.1"), nil},
		{"by ID", at(1, "198.51.100.1"), refusal.ErrBanned},
		{"by network", at(2, "203.0.113.1"), refusal.ErrBanned},
		{"static", at(7, "203.0.113.7"), nil},
		{"static, at another address", at(7, "203.0.113.8"), nil},
		{"shares the address of a static node", at(2, "203.0.113.7"), nil},
		{"shares the address, but banned by ID", at(1, "203.0.113.7"), refusal.ErrBanned},
	}
	for _, tt := range tests {
		for _, c := range []Remote{tt.remote, to(tt.remote)} {
			if err := r.Check(c); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%s, inbound %v: got %v, want %v", tt.name, c.Inbound, err, tt.want)
			}
		}
	}
}

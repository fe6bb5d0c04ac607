package peers

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

func nodeID(b byte) enode.ID { return enode.ID{b} }

func handshakeNamed(s string) *actor.PID { return actor.NewPID("nonhost", s) }

// joined admits a connection and makes its node a member.
func joined(t *testing.T, r *Table, c Remote) *Member {
	t.Helper()
	by := handshakeNamed("for " + c.ID.String())
	if _, err := r.Admit(c, by); err != nil {
		t.Fatalf("admit %x: %v", c.ID[:2], err)
	}
	if err := r.clear(c, by); err != nil {
		t.Fatalf("clear %x: %v", c.ID[:2], err)
	}
	m := &Member{Remote: c}
	r.add(m)
	return m
}

// from returns a node that dialed us, each from a network of its own.
func from(b byte) Remote {
	return Remote{ID: nodeID(b), Addr: netip.AddrFrom4([4]byte{198, b, 100, 1}), Inbound: true}
}

// fromHere returns a node on this machine that dialed us.
func fromHere(b byte) Remote {
	return Remote{ID: nodeID(b), Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Inbound: true}
}

// at returns a node that dialed us from an address.
func at(b byte, addr string) Remote {
	return Remote{ID: nodeID(b), Addr: netip.MustParseAddr(addr), Inbound: true}
}

// to turns an inbound connection into a dial.
func to(c Remote) Remote {
	c.Inbound = false
	return c
}

func TestAdmission(t *testing.T) {
	const self = 0x50
	tests := []struct {
		name     string
		limits   Limits
		prepare  func(t *testing.T, r *Table)
		id       byte
		loopback bool
		want     error
		reason   wire.DiscReason
	}{
		{name: "stranger", limits: Limits{Peers: 1}, id: 1},
		{name: "self", limits: Limits{Peers: 1}, id: self, want: refusal.ErrSelf, reason: wire.DiscSelf},
		{
			name: "already connected", limits: Limits{Peers: 9}, id: 1,
			prepare: func(t *testing.T, r *Table) { joined(t, r, from(1)) },
			want:    refusal.ErrAlreadyConnected, reason: wire.DiscAlreadyConnected,
		},
		{
			name: "already connected, full", limits: Limits{Peers: 1}, id: 1,
			prepare: func(t *testing.T, r *Table) { joined(t, r, from(1)) },
			want:    refusal.ErrAlreadyConnected, reason: wire.DiscAlreadyConnected,
		},
		{
			name: "already connected, trusted", limits: Limits{Peers: 9}, id: 1,
			prepare: func(t *testing.T, r *Table) {
				joined(t, r, from(1))
				r.SetTrusted(nodeID(1), true)
			},
			want: refusal.ErrAlreadyConnected, reason: wire.DiscAlreadyConnected,
		},
		{
			name: "full", limits: Limits{Peers: 1}, id: 2,
			prepare: func(t *testing.T, r *Table) { joined(t, r, from(1)) },
			want:    refusal.ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "full, static", limits: Limits{Peers: 1}, id: 2,
			prepare: func(t *testing.T, r *Table) {
				joined(t, r, from(1))
				r.SetStatic(nodeID(2), true)
			},
			want: refusal.ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "full, trusted", limits: Limits{Peers: 1}, id: 2,
			prepare: func(t *testing.T, r *Table) {
				joined(t, r, from(1))
				r.SetTrusted(nodeID(2), true)
			},
		},
		{
			name: "full, no longer trusted", limits: Limits{Peers: 1}, id: 2,
			prepare: func(t *testing.T, r *Table) {
				joined(t, r, from(1))
				r.SetTrusted(nodeID(2), true)
				r.SetTrusted(nodeID(2), false)
			},
			want: refusal.ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "room again", limits: Limits{Peers: 1}, id: 2,
			prepare: func(t *testing.T, r *Table) { r.remove(joined(t, r, from(1))) },
		},
		{
			name: "loopback counts separately", limits: Limits{Peers: 1, Loopback: 2}, id: 3,
			prepare: func(t *testing.T, r *Table) {
				joined(t, r, fromHere(1))
				joined(t, r, fromHere(2))
			},
		},
		{
			name: "loopback has a limit", limits: Limits{Peers: 1, Loopback: 2}, id: 3, loopback: true,
			prepare: func(t *testing.T, r *Table) {
				joined(t, r, fromHere(1))
				joined(t, r, fromHere(2))
			},
			want: refusal.ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "loopback counts if the limit was configured", limits: Limits{Peers: 1}, id: 2, loopback: true,
			prepare: func(t *testing.T, r *Table) { joined(t, r, fromHere(1)) },
			want:    refusal.ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "stopping", limits: Limits{Peers: 9}, id: 1,
			prepare: func(_ *testing.T, r *Table) { r.Close() },
			want:    refusal.ErrStopping, reason: wire.DiscQuitting,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewTable(nodeID(self), tt.limits, nil)
			if tt.prepare != nil {
				tt.prepare(t, r)
			}
			before := r.Size()
			remote := from(tt.id)
			if tt.loopback {
				remote = fromHere(tt.id)
			}
			_, err := r.Admit(remote, handshakeNamed("h"))
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("inbound: got %v, want %v", err, tt.want)
			}
			if reason, ok := wire.ReasonOf(err); tt.want != nil && (!ok || reason != tt.reason) {
				t.Errorf("reason %v, want %v", reason, tt.reason)
			}
			r.abandon(nodeID(tt.id), handshakeNamed("h"))
			if _, err := r.Admit(to(remote), handshakeNamed("d")); !errors.Is(err, tt.want) {
				t.Errorf("dial: got %v, want %v", err, tt.want)
			}
			if r.Size() != before {
				t.Errorf("%d members, want %d as before", r.Size(), before)
			}
		})
	}
}

func TestSecondCheckWithTheSession(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 1}, nil)
	first, second := handshakeNamed("first"), handshakeNamed("second")
	for id, by := range map[byte]*actor.PID{1: first, 2: second} {
		if _, err := r.Admit(from(id), by); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.clear(from(1), first); err != nil {
		t.Fatal(err)
	}
	r.add(&Member{Remote: from(1)})
	if err := r.clear(from(2), second); !errors.Is(err, refusal.ErrTooManyPeers) {
		t.Errorf("got %v, want %v", err, refusal.ErrTooManyPeers)
	}
	if len(r.pending) != 0 {
		t.Errorf("pending handshakes: %v, want none", r.pending)
	}
}

func TestReplayedAuthDoesNotBlockTheNode(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 5}, nil)
	replay, author := handshakeNamed("replay"), handshakeNamed("author")
	for _, by := range []*actor.PID{replay, author} {
		if _, err := r.Admit(from(1), by); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.clear(from(1), author); err != nil {
		t.Fatal(err)
	}
	r.add(&Member{Remote: from(1)})
	if err := r.clear(from(1), replay); !errors.Is(err, refusal.ErrAlreadyConnected) {
		t.Errorf("got %v, want %v", err, refusal.ErrAlreadyConnected)
	}
}

func TestRemoveOfAnOlderMember(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 5, Loopback: 5}, nil)
	old := joined(t, r, fromHere(1))
	r.remove(old)
	current := joined(t, r, fromHere(1))
	r.remove(old)
	if r.Member(nodeID(1)) != current {
		t.Error("removing an older link removed the current one")
	}
	if r.counts.loopback != 1 {
		t.Errorf("%d loopback peers counted, want 1", r.counts.loopback)
	}
}

// TestSimultaneousDial: two nodes dial each other, with their four steps in every order. Exactly
// one connection must be left, the same one on both sides.
func TestSimultaneousDial(t *testing.T) {
	low, high := nodeID(1), nodeID(2)
	for _, order := range interleavings() {
		t.Run(order, func(t *testing.T) {
			a := &dialingSide{table: NewTable(low, Limits{Peers: 5}, nil), remote: from(2)}
			b := &dialingSide{table: NewTable(high, Limits{Peers: 5}, nil), remote: from(1)}
			for _, step := range order {
				switch step {
				case 'a':
					a.dial()
				case 'A':
					a.receive(b)
				case 'b':
					b.dial()
				case 'B':
					b.receive(a)
				}
			}
			// A connection is alive only if it is alive on both sides.
			fromA := a.dialed && !a.displaced && b.accepted
			fromB := b.dialed && !b.displaced && a.accepted
			if fromA == fromB {
				t.Fatalf("connection dialed by the lower ID: %v, by the higher: %v; want exactly one", fromA, fromB)
			}
			bothSent := a.dialed && b.dialed
			if bothSent && !fromA {
				t.Error("both sent an auth, and the connection dialed by the lower ID was closed")
			}
		})
	}
}

// dialingSide is one node of TestSimultaneousDial.
type dialingSide struct {
	table     *Table
	remote    Remote
	dialed    bool // the auth was sent
	displaced bool // our dial was displaced
	accepted  bool // the remote's connection was admitted
}

func (s *dialingSide) dial() {
	_, err := s.table.Admit(to(s.remote), handshakeNamed("dial"))
	s.dialed = err == nil
}

// receive handles the other side's auth, if it was sent and that dial was not displaced.
func (s *dialingSide) receive(from *dialingSide) {
	if !from.dialed || from.displaced {
		return
	}
	displaced, err := s.table.Admit(s.remote, handshakeNamed("inbound"))
	s.accepted = err == nil
	s.displaced = displaced != nil
}

// interleavings returns all orders of a, A, b, B in which a side dials (lower case) before the
// other side receives: a before B, b before A.
func interleavings() []string {
	var all []string
	var extend func(prefix, rest string)
	extend = func(prefix, rest string) {
		if rest == "" {
			all = append(all, prefix)
			return
		}
		for i := range rest {
			next := rest[i]
			has := func(c byte) bool {
				for j := range prefix {
					if prefix[j] == c {
						return true
					}
				}
				return false
			}
			if next == 'B' && !has('a') || next == 'A' && !has('b') {
				continue
			}
			extend(prefix+rest[i:i+1], rest[:i]+rest[i+1:])
		}
	}
	extend("", "aAbB")
	return all
}

func TestDisplacedDialIsNotCleared(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 5}, nil)
	own, theirs := handshakeNamed("own"), handshakeNamed("theirs")
	if _, err := r.Admit(to(from(1)), own); err != nil {
		t.Fatal(err)
	}
	displaced, err := r.Admit(from(1), theirs)
	if err != nil || displaced != own {
		t.Fatalf("got displaced %v, error %v; want our dial displaced", displaced, err)
	}
	if err := r.clear(from(1), own); !errors.Is(err, refusal.ErrTheirDialFirst) {
		t.Errorf("displaced dial cleared: %v", err)
	}
	if err := r.clear(from(1), theirs); err != nil {
		t.Errorf("inbound connection: %v", err)
	}
}

func TestOneDialPerNode(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 5}, nil)
	if _, err := r.Admit(to(from(1)), handshakeNamed("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Admit(to(from(1)), handshakeNamed("y")); !errors.Is(err, refusal.ErrAlreadyDialing) {
		t.Errorf("second dial: %v, want %v", err, refusal.ErrAlreadyDialing)
	}
	r.abandon(nodeID(1), handshakeNamed("y"))
	if _, err := r.Admit(to(from(1)), handshakeNamed("y")); !errors.Is(err, refusal.ErrAlreadyDialing) {
		t.Errorf("the end of a refused dial freed the place of the dial in progress: %v", err)
	}
	r.abandon(nodeID(1), handshakeNamed("x"))
	if _, err := r.Admit(to(from(1)), handshakeNamed("y")); err != nil {
		t.Errorf("after the end of the first dial: %v", err)
	}
	r.abandon(nodeID(1), handshakeNamed("y"))
	if _, err := r.Admit(from(1), handshakeNamed("z")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Admit(to(from(1)), handshakeNamed("x")); !errors.Is(err, refusal.ErrPendingInbound) {
		t.Errorf("dial during an inbound connection: %v, want %v", err, refusal.ErrPendingInbound)
	}
}

func TestCrashedHandshakeLeavesNothing(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 5}, nil)
	crashed := handshakeNamed("crashed")
	if _, err := r.Admit(from(1), crashed); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Admit(to(from(2)), handshakeNamed("other")); err != nil {
		t.Fatal(err)
	}
	r.abandon(enode.ID{}, crashed)
	if _, err := r.Admit(to(from(1)), handshakeNamed("next")); err != nil {
		t.Errorf("after the crash: %v", err)
	}
	if _, err := r.Admit(to(from(2)), handshakeNamed("next")); !errors.Is(err, refusal.ErrAlreadyDialing) {
		t.Errorf("another node's dial: %v, want %v", err, refusal.ErrAlreadyDialing)
	}
}

func TestKnownAddresses(t *testing.T) {
	r := NewTable(nodeID(9), Limits{Peers: 5}, nil)
	addr, other := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	r.Locate(nodeID(1), "there", []netip.Addr{addr})
	if r.Knows(addr) || len(r.known) != 0 {
		t.Error("the address of a dynamic node is recorded")
	}
	r.SetStatic(nodeID(1), true)
	r.Locate(nodeID(1), "there", []netip.Addr{addr})
	if !r.Knows(addr) || r.Knows(other) {
		t.Errorf("static node at %v: known %v; %v known %v", addr, r.Knows(addr), other, r.Knows(other))
	}
	r.Locate(nodeID(1), "elsewhere", []netip.Addr{other})
	if !r.Knows(addr) || !r.Knows(other) {
		t.Error("the addresses at two places are not both known")
	}
	r.Locate(nodeID(1), "elsewhere", nil)
	if !r.Knows(addr) || r.Knows(other) {
		t.Error("the addresses at one place are not replaced, or those at the other are lost")
	}
	for i := range MaxPlaces - 1 {
		r.Locate(nodeID(1), fmt.Sprint(i), []netip.Addr{addr})
	}
	if got := len(r.known[nodeID(1)].places); got != MaxPlaces {
		t.Errorf("%d places, want %d", got, MaxPlaces)
	}
	r.SetTrusted(nodeID(1), true)
	r.SetStatic(nodeID(1), false)
	if !r.Knows(addr) {
		t.Error("no longer static, but trusted: address forgotten")
	}
	r.SetTrusted(nodeID(1), false)
	if r.Knows(addr) {
		t.Error("neither static nor trusted: address still known")
	}
}

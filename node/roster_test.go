package node

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/wire"
)

func nodeID(b byte) enode.ID { return enode.ID{b} }

func handshakeNamed(s string) *actor.PID { return actor.NewPID("nonhost", s) }

// joined puts a node through admission as an inbound connection and makes it a member.
func joined(t *testing.T, r *roster, id enode.ID, loopback bool) *member {
	t.Helper()
	by := handshakeNamed("for " + id.String())
	if _, err := r.admitInbound(id, loopback, by); err != nil {
		t.Fatalf("admit %x: %v", id[:1], err)
	}
	if err := r.clear(id, loopback, by); err != nil {
		t.Fatalf("clear %x: %v", id[:1], err)
	}
	m := &member{id: id, loopback: loopback}
	r.add(m)
	return m
}

func TestAdmission(t *testing.T) {
	const self = 0x50
	tests := []struct {
		name     string
		limits   limits
		prepare  func(t *testing.T, r *roster)
		id       byte
		loopback bool
		want     error
		reason   wire.DiscReason
	}{
		{name: "stranger", limits: limits{peers: 1}, id: 1},
		{name: "self", limits: limits{peers: 1}, id: self, want: ErrSelf, reason: wire.DiscSelf},
		{
			name: "already connected", limits: limits{peers: 9}, id: 1,
			prepare: func(t *testing.T, r *roster) { joined(t, r, nodeID(1), false) },
			want:    ErrAlreadyConnected, reason: wire.DiscAlreadyConnected,
		},
		{
			name: "already connected comes before full", limits: limits{peers: 1}, id: 1,
			prepare: func(t *testing.T, r *roster) { joined(t, r, nodeID(1), false) },
			want:    ErrAlreadyConnected, reason: wire.DiscAlreadyConnected,
		},
		{
			name: "connected, trusted: still not replaced", limits: limits{peers: 9}, id: 1,
			prepare: func(t *testing.T, r *roster) {
				joined(t, r, nodeID(1), false)
				r.setTrusted(nodeID(1), true)
			},
			want: ErrAlreadyConnected, reason: wire.DiscAlreadyConnected,
		},
		{
			name: "full", limits: limits{peers: 1}, id: 2,
			prepare: func(t *testing.T, r *roster) { joined(t, r, nodeID(1), false) },
			want:    ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "full, static", limits: limits{peers: 1}, id: 2,
			prepare: func(t *testing.T, r *roster) {
				joined(t, r, nodeID(1), false)
				r.setStatic(nodeID(2), true)
			},
			want: ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "full, trusted", limits: limits{peers: 1}, id: 2,
			prepare: func(t *testing.T, r *roster) {
				joined(t, r, nodeID(1), false)
				r.setTrusted(nodeID(2), true)
			},
		},
		{
			name: "full, trusted no longer", limits: limits{peers: 1}, id: 2,
			prepare: func(t *testing.T, r *roster) {
				joined(t, r, nodeID(1), false)
				r.setTrusted(nodeID(2), true)
				r.setTrusted(nodeID(2), false)
			},
			want: ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "room again", limits: limits{peers: 1}, id: 2,
			prepare: func(t *testing.T, r *roster) { r.leave(joined(t, r, nodeID(1), false)) },
		},
		{
			name: "loopback counts apart", limits: limits{peers: 1, loopback: 2}, id: 3,
			prepare: func(t *testing.T, r *roster) {
				joined(t, r, nodeID(1), true)
				joined(t, r, nodeID(2), true)
			},
		},
		{
			name: "loopback has a limit", limits: limits{peers: 1, loopback: 2}, id: 3, loopback: true,
			prepare: func(t *testing.T, r *roster) {
				joined(t, r, nodeID(1), true)
				joined(t, r, nodeID(2), true)
			},
			want: ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "loopback counts like others when the limit was set", limits: limits{peers: 1}, id: 2, loopback: true,
			prepare: func(t *testing.T, r *roster) { joined(t, r, nodeID(1), true) },
			want:    ErrTooManyPeers, reason: wire.DiscTooManyPeers,
		},
		{
			name: "stopping", limits: limits{peers: 9}, id: 1,
			prepare: func(_ *testing.T, r *roster) { r.close() },
			want:    ErrStopping, reason: wire.DiscQuitting,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoster(nodeID(self), tt.limits)
			if tt.prepare != nil {
				tt.prepare(t, r)
			}
			before := r.count()
			_, err := r.admitInbound(nodeID(tt.id), tt.loopback, handshakeNamed("h"))
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("inbound: got %v, want %v", err, tt.want)
			}
			if reason, ok := wire.ReasonOf(err); tt.want != nil && (!ok || reason != tt.reason) {
				t.Errorf("told %v, want %v", reason, tt.reason)
			}
			r.abandon(nodeID(tt.id), handshakeNamed("h"))
			if err := r.admitDial(nodeID(tt.id), tt.loopback, handshakeNamed("d")); !errors.Is(err, tt.want) {
				t.Errorf("dial: got %v, want %v", err, tt.want)
			}
			if r.count() != before {
				t.Errorf("%d members, want the %d of before", r.count(), before)
			}
		})
	}
}

func TestSecondCheckWithTheSession(t *testing.T) {
	r := newRoster(nodeID(9), limits{peers: 1})
	first, second := handshakeNamed("first"), handshakeNamed("second")
	for id, by := range map[byte]*actor.PID{1: first, 2: second} {
		if _, err := r.admitInbound(nodeID(id), false, by); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.clear(nodeID(1), false, first); err != nil {
		t.Fatal(err)
	}
	r.add(&member{id: nodeID(1)})
	if err := r.clear(nodeID(2), false, second); !errors.Is(err, ErrTooManyPeers) {
		t.Errorf("got %v, want %v", err, ErrTooManyPeers)
	}
	if len(r.setups) != 0 {
		t.Errorf("setups left over: %v", r.setups)
	}
}

func TestReplayedAuthKeepsNobodyOut(t *testing.T) {
	r := newRoster(nodeID(9), limits{peers: 5})
	replay, author := handshakeNamed("replay"), handshakeNamed("author")
	for _, by := range []*actor.PID{replay, author} {
		if _, err := r.admitInbound(nodeID(1), false, by); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.clear(nodeID(1), false, author); err != nil {
		t.Fatal(err)
	}
	r.add(&member{id: nodeID(1)})
	if err := r.clear(nodeID(1), false, replay); !errors.Is(err, ErrAlreadyConnected) {
		t.Errorf("got %v, want %v", err, ErrAlreadyConnected)
	}
}

func TestLeaveOfAnOlderMember(t *testing.T) {
	r := newRoster(nodeID(9), limits{peers: 5, loopback: 5})
	old := joined(t, r, nodeID(1), true)
	r.leave(old)
	current := joined(t, r, nodeID(1), true)
	r.leave(old)
	if r.member(nodeID(1)) != current {
		t.Error("the end of an older link removed the current one")
	}
	if r.loopback != 1 {
		t.Errorf("%d loopback peers counted, want 1", r.loopback)
	}
}

// TestSimultaneousDial lets two nodes dial each other with their four steps in every
// order, and wants exactly one connection to be left, the same one on both sides.
func TestSimultaneousDial(t *testing.T) {
	low, high := nodeID(1), nodeID(2)
	for _, order := range interleavings() {
		t.Run(order, func(t *testing.T) {
			a := &dialingSide{roster: newRoster(low, limits{peers: 5}), remote: high}
			b := &dialingSide{roster: newRoster(high, limits{peers: 5}), remote: low}
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
			// Both sides' views of the two connections; alive only if both say so.
			fromA := a.dialed && !a.displaced && b.accepted
			fromB := b.dialed && !b.displaced && a.accepted
			if fromA == fromB {
				t.Fatalf("connection dialed by the lower ID: %v, by the higher: %v; want exactly one", fromA, fromB)
			}
			bothSent := a.dialed && b.dialed
			if bothSent && !fromA {
				t.Error("both sent an auth, and the connection dialed by the higher ID stayed")
			}
		})
	}
}

// dialingSide is one node of TestSimultaneousDial.
type dialingSide struct {
	roster    *roster
	remote    enode.ID
	dialed    bool // the auth went out
	displaced bool // our dial had to go
	accepted  bool // the remote's connection was admitted
}

func (s *dialingSide) dial() {
	s.dialed = s.roster.admitDial(s.remote, false, handshakeNamed("dial")) == nil
}

// receive takes in the other side's auth, if it was sent and that side still stands by it.
func (s *dialingSide) receive(from *dialingSide) {
	if !from.dialed || from.displaced {
		return
	}
	displaced, err := s.roster.admitInbound(s.remote, false, handshakeNamed("inbound"))
	s.accepted = err == nil
	s.displaced = displaced != nil
}

// interleavings gives all orders of a, A, b, B in which a side dials (lower case) before
// the other receives it: a before B, b before A.
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
	r := newRoster(nodeID(9), limits{peers: 5})
	own, theirs := handshakeNamed("own"), handshakeNamed("theirs")
	if err := r.admitDial(nodeID(1), false, own); err != nil {
		t.Fatal(err)
	}
	displaced, err := r.admitInbound(nodeID(1), false, theirs)
	if err != nil || displaced != own {
		t.Fatalf("got displaced %v, error %v; want our dial displaced", displaced, err)
	}
	if err := r.clear(nodeID(1), false, own); !errors.Is(err, ErrTheirDialFirst) {
		t.Errorf("displaced dial cleared: %v", err)
	}
	if err := r.clear(nodeID(1), false, theirs); err != nil {
		t.Errorf("inbound connection: %v", err)
	}
}

func TestOneDialPerNode(t *testing.T) {
	r := newRoster(nodeID(9), limits{peers: 5})
	if err := r.admitDial(nodeID(1), false, handshakeNamed("x")); err != nil {
		t.Fatal(err)
	}
	if err := r.admitDial(nodeID(1), false, handshakeNamed("y")); !errors.Is(err, ErrAlreadyDialing) {
		t.Errorf("second dial: %v, want %v", err, ErrAlreadyDialing)
	}
	r.abandon(nodeID(1), handshakeNamed("y"))
	if err := r.admitDial(nodeID(1), false, handshakeNamed("y")); !errors.Is(err, ErrAlreadyDialing) {
		t.Errorf("the end of a refused dial freed the place of the one under way: %v", err)
	}
	r.abandon(nodeID(1), handshakeNamed("x"))
	if err := r.admitDial(nodeID(1), false, handshakeNamed("y")); err != nil {
		t.Errorf("after the end of the first: %v", err)
	}
	r.abandon(nodeID(1), handshakeNamed("y"))
	if _, err := r.admitInbound(nodeID(1), false, handshakeNamed("z")); err != nil {
		t.Fatal(err)
	}
	if err := r.admitDial(nodeID(1), false, handshakeNamed("x")); !errors.Is(err, ErrPendingInbound) {
		t.Errorf("dial beside an inbound connection: %v, want %v", err, ErrPendingInbound)
	}
}

func TestCrashedHandshakeLeavesNothing(t *testing.T) {
	r := newRoster(nodeID(9), limits{peers: 5})
	crashed := handshakeNamed("crashed")
	if _, err := r.admitInbound(nodeID(1), false, crashed); err != nil {
		t.Fatal(err)
	}
	if err := r.admitDial(nodeID(2), false, handshakeNamed("other")); err != nil {
		t.Fatal(err)
	}
	r.abandon(enode.ID{}, crashed)
	if err := r.admitDial(nodeID(1), false, handshakeNamed("next")); err != nil {
		t.Errorf("after the crash: %v", err)
	}
	if err := r.admitDial(nodeID(2), false, handshakeNamed("next")); !errors.Is(err, ErrAlreadyDialing) {
		t.Errorf("another node's dial: %v, want %v", err, ErrAlreadyDialing)
	}
}

func TestKnownAddresses(t *testing.T) {
	r := newRoster(nodeID(9), limits{peers: 5})
	addr, other := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	r.locate(nodeID(1), []netip.Addr{addr})
	if r.knows(addr) || len(r.marks) != 0 {
		t.Error("the address of a stranger is remembered")
	}
	r.setStatic(nodeID(1), true)
	r.locate(nodeID(1), []netip.Addr{addr})
	if !r.knows(addr) || r.knows(other) {
		t.Errorf("static node at %v: knows it %v, knows %v %v", addr, r.knows(addr), other, r.knows(other))
	}
	r.setTrusted(nodeID(1), true)
	r.setStatic(nodeID(1), false)
	if !r.knows(addr) {
		t.Error("static no longer, but trusted: forgotten")
	}
	r.setTrusted(nodeID(1), false)
	if r.knows(addr) {
		t.Error("neither static nor trusted: still known")
	}
}

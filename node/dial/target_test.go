package dial

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/wire"
)

// nodeAtPlaces returns one node at n addresses.
func nodeAtPlaces(t *testing.T, n int) []*enode.Node {
	key := fixture.Key(t)
	var list []*enode.Node
	for i := range n {
		list = append(list, enode.NewV4(&key.PublicKey, []byte{203, 0, 113, byte(i)}, 30303, 30303))
	}
	return list
}

// TestPlacesInTurn follows a static node with several addresses: which is dialed, after which pause.
func TestPlacesInTurn(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	at := nodeAtPlaces(t, 3)
	for _, n := range at {
		p.add(n, false, epoch)
	}
	now := epoch
	next := func(place int, wait time.Duration, o outcome) {
		t.Helper()
		if got, ok := p.wait(now, 0); !ok || got != wait {
			t.Fatalf("dialed after %v (%v), want %v", got, ok, wait)
		}
		now = now.Add(wait)
		dials := p.start(now, 0)
		if len(dials) != 1 || dials[0].node != at[place] {
			t.Fatalf("dials %v, want one to %v", dials, at[place])
		}
		if o == outcomeLinked {
			p.linked(at[0].ID(), false, now)
		}
		p.ended(dials[0].ticket, o, now)
	}
	next(0, 0, outcomeUnreachable)
	next(1, 0, outcomeHandshake)
	next(2, 0, outcomeUnreachable)
	next(0, time.Second, outcomeUnreachable)
	next(1, 0, outcomeBusy) // it is there
	next(1, 2*time.Second, outcomeUnreachable)
	next(2, 0, outcomeLinked)
	now = now.Add(time.Hour)
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: at[0].ID()}, Cause: lost}, now)
	next(2, time.Second, outcomeUnreachable)
	next(0, 0, outcomeUnreachable)
	next(1, 0, outcomeUnreachable)
	next(2, 2*time.Second, outcomeUnreachable)
}

// TestPlacesAreBounded: beyond the limit the oldest address is forgotten. The same address again
// is no other place.
func TestPlacesAreBounded(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	at := nodeAtPlaces(t, peers.MaxPlaces+2)
	named := at[0].WithHostname("node.example")
	for _, n := range append(at, at[len(at)-1], named, named) {
		p.add(n, false, epoch)
	}
	want := append(at[3:], named)
	if got := p.targets[at[0].ID()].places; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("places %v, want %v", got, want)
	}
}

// TestNewPlaceDuringADial: the dial to another address goes on for a second from its beginning, and
// then the new one has its turn, at once.
func TestNewPlaceDuringADial(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // the age of the dial when the address comes
		found bool          // by discovery
		want  time.Duration // until the dial is cancelled
	}{
		{"dial that hangs", 5 * time.Second, false, 0},
		{"dial that hangs, address found", 5 * time.Second, true, 0},
		{"young dial", 300 * time.Millisecond, false, 700 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlan(10, 100, noJitter)
			at := nodeAtPlaces(t, 2)
			p.add(at[0], false, epoch)
			first := p.start(epoch, 0)[0]
			now := epoch.Add(tt.after)
			if in, ok := p.hangsIn(now); ok || len(p.hung(now)) > 0 {
				t.Fatalf("a dial to the only address is cancelled in %v", in)
			}
			if tt.found {
				p.resolved(at[1].ID(), at[1], now)
			} else {
				p.add(at[1], false, now)
			}
			if in, ok := p.hangsIn(now); !ok || in != tt.want {
				t.Errorf("cancelled in %v (%v), want %v", in, ok, tt.want)
			}
			now = now.Add(tt.want)
			if got := p.hung(now); len(got) != 1 || got[0] != first.ticket || len(p.hung(now)) > 0 {
				t.Errorf("cancelled %v, want %v once", got, first.ticket)
			}
			if dials := p.start(now, 0); len(dials) > 0 {
				t.Errorf("dials %v while one to the node is in progress", dials)
			}
			p.ended(first.ticket, outcomeOurs, now)
			if dials := p.start(now, 0); len(dials) != 1 || dials[0].node != at[1] {
				t.Errorf("dials %v, want one to the new address at once", dials)
			}
		})
	}
}

// TestNewPlaceOfAPeer: an address that comes while there is a link changes nothing until its end.
func TestNewPlaceOfAPeer(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	at := nodeAtPlaces(t, 2)
	p.add(at[0], false, epoch)
	d := p.start(epoch, 0)[0]
	p.linked(at[0].ID(), false, epoch)
	p.add(at[1], true, epoch)
	if _, ok := p.hangsIn(epoch.Add(time.Hour)); ok {
		t.Error("the dial that made the link is cancelled")
	}
	p.ended(d.ticket, outcomeLinked, epoch)
	if dials := p.start(epoch.Add(time.Hour), 0); len(dials) > 0 {
		t.Errorf("dials %v while there is a link", dials)
	}
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: at[0].ID()}, Cause: lost}, epoch)
	if dials := p.start(epoch.Add(time.Second), 0); len(dials) != 1 || dials[0].node != at[1] {
		t.Errorf("dials %v, want one to the new address", dials)
	}
}

// TestLinkThatEndsBeforeItsDial: the end of a link is known before that of the dial that made it.
// The pause is that of the link.
func TestLinkThatEndsBeforeItsDial(t *testing.T) {
	useless := &peers.LinkDown{Cause: &actors.Cause{Side: actors.Remote, Reason: wire.DiscUselessPeer}}
	t.Run("static", func(t *testing.T) {
		p := newPlan(10, 100, noJitter)
		n := fixture.Node(t)
		p.add(n, false, epoch)
		d := p.start(epoch, 0)[0]
		p.linked(n.ID(), false, epoch)
		useless.ID = n.ID()
		p.unlinked(useless, epoch)
		p.ended(d.ticket, outcomeLinked, epoch)
		if wait, ok := p.wait(epoch, 0); !ok || wait != 10*time.Second {
			t.Errorf("dialed after %v (%v), want 10 s", wait, ok)
		}
	})
	t.Run("candidate", func(t *testing.T) {
		p := newPlan(10, 100, noJitter)
		n := fixture.NodeAt(t, "203.0.113.1:30303")
		if err := p.offer(n, epoch); err != nil {
			t.Fatal(err)
		}
		d := p.start(epoch, 1)[0]
		p.linked(n.ID(), false, epoch)
		useless.ID = n.ID()
		p.unlinked(useless, epoch)
		p.ended(d.ticket, outcomeLinked, epoch)
		if err := p.offer(n, epoch.Add(29*time.Minute)); err == nil {
			t.Error("a useless node is dialed again before half an hour is over")
		}
	})
}

package dial

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
)

func noJitter() float64 { return 0 }

func TestRedialBackoff(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	n := fixture.Node(t)
	now := time.Unix(1_000_000, 0)
	p.add(n, false, now)
	for i, want := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60, 60} {
		wait, ok := p.wait(now, 0)
		if !ok || wait != want*time.Second {
			t.Fatalf("dial %d: after %v (%v), want %v", i, wait, ok, want*time.Second)
		}
		if wait > 0 && len(p.start(now.Add(wait-1), 0)) != 0 {
			t.Fatalf("dial %d: started early", i)
		}
		now = now.Add(wait)
		dials := p.start(now, 0)
		if len(dials) != 1 || dials[0].node != n {
			t.Fatalf("dial %d: got %v", i, dials)
		}
		if again := p.start(now.Add(time.Hour), 0); len(again) != 0 {
			t.Fatalf("dial %d: a second dial to the same node", i)
		}
		if _, ok := p.wait(now, 0); ok {
			t.Fatalf("dial %d: another dial is planned while it is in progress", i)
		}
		p.ended(dials[0].ticket, outcomeUnreachable, now)
	}
}

func TestJitterShortens(t *testing.T) {
	for _, j := range []float64{0, 0.5, 0.999} {
		p := newPlan(10, 100, func() float64 { return j })
		now := time.Unix(1_000_000, 0)
		n := fixture.Node(t)
		p.add(n, false, now)
		for range 20 {
			p.ended(p.start(now, 0)[0].ticket, outcomeUnreachable, now)
			wait, _ := p.wait(now, 0)
			if wait > redialMax || wait < redialMin*4/5 {
				t.Fatalf("jitter %v: wait %v", j, wait)
			}
			now = now.Add(wait)
		}
		if wait := p.targets[n.ID()].due.Sub(now); wait > 0 {
			t.Fatalf("due in %v", wait)
		}
	}
}

func TestRedialAfterALink(t *testing.T) {
	tests := []struct {
		name     string
		failures int
		lived    time.Duration
		want     time.Duration
	}{
		{"healthy link", 6, time.Minute, time.Second},
		{"link that ended at once, the first time", 0, 0, time.Second},
		{"link that ended at once, again", 3, time.Second, 8 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlan(10, 100, noJitter)
			now := time.Unix(1_000_000, 0)
			n := fixture.Node(t)
			p.add(n, false, now)
			for range tt.failures {
				wait, _ := p.wait(now, 0)
				now = now.Add(wait)
				p.ended(p.start(now, 0)[0].ticket, outcomeUnreachable, now)
			}
			wait, _ := p.wait(now, 0)
			now = now.Add(wait)
			d := p.start(now, 0)[0]
			p.linked(n.ID(), false, now)
			p.ended(d.ticket, outcomeLinked, now)
			if _, ok := p.wait(now, 0); ok {
				t.Error("a dial is planned while there is a link")
			}
			now = now.Add(tt.lived)
			p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: n.ID()}, Cause: lost}, now)
			if wait, ok := p.wait(now, 0); !ok || wait != tt.want {
				t.Errorf("redial after %v (%v), want %v", wait, ok, tt.want)
			}
		})
	}
}

func TestPlanIgnoresOtherNodes(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	now := time.Unix(1_000_000, 0)
	connected, n, stranger := fixture.Node(t), fixture.Node(t), fixture.Node(t)
	p.add(connected, true, now)
	p.add(n, false, now)
	p.linked(stranger.ID(), false, now)
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: stranger.ID()}, Cause: lost}, now)
	dials := p.start(now, 0)
	if len(dials) != 1 || dials[0].node != n {
		t.Fatalf("dials %v, want only the static node without a link", dials)
	}

	if ticket := p.remove(n.ID()); ticket != dials[0].ticket {
		t.Errorf("removed while dialing: ticket %d, want %d", ticket, dials[0].ticket)
	}
	p.add(n, false, now)
	second := p.start(now, 0)
	if len(second) != 1 {
		t.Fatalf("added again: dials %v", second)
	}
	p.ended(dials[0].ticket, outcomeUnreachable, now)
	if len(p.start(now.Add(time.Hour), 0)) != 0 {
		t.Error("the end of the first dial ended the second")
	}
	p.ended(second[0].ticket, outcomeUnreachable, now)
	if len(p.active) != 0 {
		t.Errorf("%d dials in progress, want 0", len(p.active))
	}
}

func TestNewAddressIsDialedNext(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	now := time.Unix(1_000_000, 0)
	n := fixture.Node(t)
	moved := enode.NewV4(n.Pubkey(), []byte{192, 0, 2, 1}, 1, 1)
	p.add(n, false, now)
	p.ended(p.start(now, 0)[0].ticket, outcomeUnreachable, now)
	p.add(moved, false, now)
	if dials := p.start(now.Add(time.Second), 0); len(dials) != 1 || dials[0].node != moved {
		t.Errorf("dials %v, want one to the new address", dials)
	}
}

func TestDialsAtOnceAreBounded(t *testing.T) {
	const limit, nodes = 3, 8
	p := newPlan(limit, 100, noJitter)
	now := time.Unix(1_000_000, 0)
	seen := map[enode.ID]int{}
	for range nodes {
		p.add(fixture.Node(t), false, now)
	}
	for range nodes {
		dials := p.start(now, 0)
		if len(seen) == 0 && len(dials) != limit {
			t.Fatalf("%d dials at once, want %d", len(dials), limit)
		}
		for _, d := range dials {
			seen[d.node.ID()]++
		}
		if len(p.active) > limit {
			t.Fatalf("%d dials at once, want at most %d", len(p.active), limit)
		}
		for _, d := range dials {
			p.ended(d.ticket, outcomeUnreachable, now)
		}
	}
	if len(seen) != nodes {
		t.Errorf("%d of %d nodes dialed", len(seen), nodes)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%v dialed %d times before each node was dialed once", id, n)
		}
	}
}

var epoch = time.Unix(1_000_000, 0)

// lost is the cause of a link that the network ended.
var lost = &actors.Cause{Side: actors.Network}

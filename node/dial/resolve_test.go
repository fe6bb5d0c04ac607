package dial

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
)

// TestSearchForAStaticNode follows one that is not where it should be: when others are
// asked, and where it is dialed.
func TestSearchForAStaticNode(t *testing.T) {
	old := fixture.NodeAt(t, "203.0.113.1:30303")
	moved := enode.NewV4(old.Pubkey(), []byte{203, 0, 113, 2}, 30303, 30303)
	p := newPlan(10, 100, noJitter)
	now := epoch
	p.add(old, false, now)
	dialsTo := func(want *enode.Node, cause outcome) {
		t.Helper()
		if wait, ok := p.wait(now, 0); ok {
			now = now.Add(wait)
		}
		dials := p.start(now, 0)
		if len(dials) != 1 || dials[0].node != want {
			t.Fatalf("dials %v, want one to %v", dials, want)
		}
		p.ended(dials[0].ticket, cause, now)
	}
	searches := func(want int) {
		t.Helper()
		if got := p.lost(now); len(got) != want || want == 1 && got[0] != old {
			t.Fatalf("searches for %v, want %d", got, want)
		}
	}
	searches(0)
	dialsTo(old, outcomeUnreachable)
	searches(0)
	dialsTo(old, outcomeBusy) // somebody is there
	searches(0)
	dialsTo(old, outcomeHandshake)
	searches(1)
	searches(0)
	now = now.Add(resolveFirst)
	searches(1)
	now = now.Add(2*resolveFirst - 1)
	searches(0)

	if addrs := p.relocate(moved, now); len(addrs) != 2 || addrs[0] != moved.IPAddr() || addrs[1] != old.IPAddr() {
		t.Errorf("may be at %v, want both addresses", addrs)
	}
	if addrs := p.relocate(moved, now); addrs != nil {
		t.Errorf("the same again is taken for news: %v", addrs)
	}
	dialsTo(moved, outcomeUnreachable)
	dialsTo(old, outcomeUnreachable)
	dialsTo(moved, outcomeLinked)
	p.linked(old.ID(), false, now)
	now = now.Add(resolveLast)
	searches(0)
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: old.ID()}, Cause: lost}, now)
	searches(0)
	dialsTo(moved, outcomeUnreachable)
	dialsTo(old, outcomeUnreachable)
	searches(1)
}

func TestSearchPauses(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	n := fixture.NodeAt(t, "203.0.113.1:30303")
	p.add(n, false, epoch)
	p.targets[n.ID()].resolving = resolving{misses: resolveAfter, next: epoch}
	now := epoch
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if len(p.lost(now)) != 1 || len(p.lost(now.Add(want*time.Minute-1))) != 0 {
			t.Errorf("search %d is not followed by the next after %v minutes", i, int(want))
		}
		now = now.Add(want * time.Minute)
	}
}

func TestWhoIsNotSearchedFor(t *testing.T) {
	named := fixture.NodeAt(t, "203.0.113.1:30303").WithHostname("node.example")
	nowhere := enode.NewV4(fixture.NodeAt(t, "203.0.113.1:1").Pubkey(), nil, 0, 0)
	p := newPlan(10, 100, noJitter)
	for _, n := range []*enode.Node{named, nowhere} {
		p.add(n, false, epoch)
	}
	for _, d := range p.start(epoch, 0) {
		p.ended(d.ticket, outcomeUnreachable, epoch)
	}
	if lost := p.lost(epoch); len(lost) != 1 || lost[0] != nowhere {
		t.Errorf("searches for %v, want at once for the node without an address, and not for the one with a name", lost)
	}
	if p.relocate(fixture.NodeAt(t, "203.0.113.9:1"), epoch) != nil || p.relocate(nowhere, epoch) != nil || p.targets[nowhere.ID()].found != nil || len(p.targets) != 2 {
		t.Error("a record of somebody else, or without an address, is taken for a find")
	}
}

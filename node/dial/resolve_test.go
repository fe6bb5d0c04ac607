package dial

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
)

// TestResolveStaticNode follows a static node that is not at its configured address: when its
// record is requested, and where the node is dialed.
func TestResolveStaticNode(t *testing.T) {
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
	requests := func(want int) {
		t.Helper()
		if got := p.lost(now); len(got) != want || want == 1 && got[0] != old {
			t.Fatalf("requests records of %v, want %d", got, want)
		}
	}
	requests(0)
	dialsTo(old, outcomeUnreachable)
	requests(0)
	dialsTo(old, outcomeBusy) // a node answers there
	requests(0)
	dialsTo(old, outcomeHandshake)
	requests(1)
	requests(0)
	now = now.Add(resolveFirst)
	requests(1)
	now = now.Add(2*resolveFirst - 1)
	requests(0)

	if addrs := p.relocate(moved, now); len(addrs) != 2 || addrs[0] != moved.IPAddr() || addrs[1] != old.IPAddr() {
		t.Errorf("addresses %v, want both", addrs)
	}
	if addrs := p.relocate(moved, now); addrs != nil {
		t.Errorf("the same record again has new addresses %v", addrs)
	}
	dialsTo(moved, outcomeUnreachable)
	dialsTo(old, outcomeUnreachable)
	dialsTo(moved, outcomeLinked)
	p.linked(old.ID(), false, now)
	now = now.Add(resolveLast)
	requests(0)
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: old.ID()}, Cause: lost}, now)
	requests(0)
	dialsTo(moved, outcomeUnreachable)
	dialsTo(old, outcomeUnreachable)
	requests(1)
}

func TestResolvePauses(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	n := fixture.NodeAt(t, "203.0.113.1:30303")
	p.add(n, false, epoch)
	p.targets[n.ID()].resolving = resolving{misses: resolveAfter, next: epoch}
	now := epoch
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if len(p.lost(now)) != 1 || len(p.lost(now.Add(want*time.Minute-1))) != 0 {
			t.Errorf("request %d is not followed by the next after %v minutes", i, int(want))
		}
		now = now.Add(want * time.Minute)
	}
}

func TestResolveExceptions(t *testing.T) {
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
		t.Errorf("requests records of %v, want that of the node without an address, and not that of the one with a name", lost)
	}
	if p.relocate(fixture.NodeAt(t, "203.0.113.9:1"), epoch) != nil || p.relocate(nowhere, epoch) != nil || p.targets[nowhere.ID()].found != nil || len(p.targets) != 2 {
		t.Error("a record of another node, or one without an address, is accepted")
	}
}

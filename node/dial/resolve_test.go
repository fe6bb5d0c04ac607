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
	resolved := func(n *enode.Node, want bool) {
		t.Helper()
		if got := p.resolved(old.ID(), n, now); got != want {
			t.Fatalf("answer %v has a new address: %v, want %v", n, got, want)
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
	resolved(nil, false)
	requests(0)
	now = now.Add(resolveFirst)
	requests(1)
	now = now.Add(resolveTimeout - 1)
	requests(0) // without an answer

	resolved(moved, true)
	resolved(moved, false)
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
	resolved(enode.NewV4(old.Pubkey(), []byte{203, 0, 113, 1}, 30303, 30304), false) // it is at a configured address
}

// TestResolvePauses: a search that found nothing is repeated soon, and then less and less often.
// The dialer is woken for it.
func TestResolvePauses(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	n := fixture.NodeAt(t, "203.0.113.1:30303")
	p.add(n, false, epoch)
	if _, ok := p.lostIn(epoch); ok {
		t.Error("a request is planned before a dial failed")
	}
	p.targets[n.ID()].resolving = resolving{misses: resolveAfter, next: epoch}
	now := epoch
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600} {
		if in, ok := p.lostIn(now); !ok || in != 0 || len(p.lost(now)) != 1 {
			t.Fatalf("request %d is due in %v (%v), want now", i, in, ok)
		}
		now = now.Add(3 * time.Second) // of the search
		p.resolved(n.ID(), nil, now)
		if in, ok := p.lostIn(now); !ok || in != want*time.Second {
			t.Errorf("request %d is followed by the next after %v (%v), want %v", i, in, ok, want*time.Second)
		}
		now = now.Add(want * time.Second)
	}
	p.linked(n.ID(), false, now)
	p.resolved(n.ID(), nil, now) // the answer to the last request
	if in, ok := p.lostIn(now); ok {
		t.Errorf("a request is planned in %v although there is a link", in)
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
	other := fixture.NodeAt(t, "203.0.113.9:1")
	if p.resolved(other.ID(), other, epoch) || p.resolved(nowhere.ID(), nowhere, epoch) || p.targets[nowhere.ID()].found != nil || len(p.targets) != 2 {
		t.Error("a record of another node, or one without an address, is accepted")
	}
}

package dial

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/wire"
)

// TestAfterStall: when the plan dials a node again after this node did not run for a time.
func TestAfterStall(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	hungUp := &actors.Cause{Side: actors.Remote, Reason: wire.DiscReadTimeout}
	tests := []struct {
		name   string
		static bool
		do     func(p *plan, n *enode.Node, ticket uint64, now time.Time)
		want   time.Duration // until the next dial; negative: none is planned
	}{
		{"a static node hung up", true, func(p *plan, n *enode.Node, ticket uint64, now time.Time) {
			p.linked(n.ID(), false, now)
			p.ended(ticket, outcomeLinked, now)
			p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: n.ID()}, Cause: hungUp, Excused: true, Again: n}, now)
		}, 0},
		{"a candidate hung up", false, func(p *plan, n *enode.Node, ticket uint64, now time.Time) {
			p.ended(ticket, outcomeLinked, now)
			p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: n.ID()}, Cause: hungUp, Excused: true, Again: n}, now)
		}, 0},
		{"a node that dialed us hung up", false, func(p *plan, n *enode.Node, ticket uint64, now time.Time) {
			p.ended(ticket, outcomeLinked, now)
			p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: n.ID(), Inbound: true}, Cause: hungUp, Excused: true}, now)
		}, -1},
		{"a dial to a static node failed meanwhile", true, func(p *plan, _ *enode.Node, ticket uint64, now time.Time) {
			p.excuse(ticket, outcomeUnreachable, now)
		}, redialMin},
		{"a dial to a candidate failed meanwhile, and it comes again", false, func(p *plan, n *enode.Node, ticket uint64, now time.Time) {
			p.excuse(ticket, outcomeUnreachable, now)
			_ = p.offer(n, now)
		}, 0},
		{"a static node with a long pause", true, func(p *plan, _ *enode.Node, ticket uint64, now time.Time) {
			p.ended(ticket, outcomeUseless, now)
			p.resumed(now)
		}, 0},
		{"a static node with a link", true, func(p *plan, n *enode.Node, ticket uint64, now time.Time) {
			p.linked(n.ID(), false, now)
			p.ended(ticket, outcomeLinked, now)
			p.resumed(now)
		}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, n := newPlan(10, 100, noJitter), fixture.Node(t)
			if tt.static {
				p.add(n, false, begin)
			} else if err := p.offer(n, begin); err != nil {
				t.Fatal(err)
			}
			dials := p.start(begin, 5)
			if len(dials) != 1 {
				t.Fatalf("%d dials", len(dials))
			}
			tt.do(p, n, dials[0].ticket, begin.Add(time.Hour))
			wait, ok := p.wait(begin.Add(time.Hour), 5)
			if !ok {
				wait = -1
			}
			if wait != tt.want {
				t.Errorf("the next dial is in %v, want %v", wait, tt.want)
			}
			if len(p.active) != 0 || p.dynamic != 0 {
				t.Errorf("%d dials in progress, %d of them dynamic", len(p.active), p.dynamic)
			}
		})
	}
}

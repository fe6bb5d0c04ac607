package dial

import (
	"crypto/ecdsa"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// itsEndpoint is the default endpoint of the candidates of TestCandidateRefusals.
const itsEndpoint = "203.0.113.1:30303"

type refusalTest struct {
	name    string
	prepare func(p *plan, n *enode.Node)
	node    *enode.Node // nil: a node at itsEndpoint
	after   time.Duration
	want    error
}

// TestCandidateRefusals: which candidates are not dialed, and why.
func TestCandidateRefusals(t *testing.T) {
	for _, tt := range append(currentRefusals(t), laterRefusals(t)...) {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlan(10, 100, noJitter)
			n := tt.node
			if n == nil {
				n = fixture.NodeAt(t, itsEndpoint)
			}
			if tt.prepare != nil {
				tt.prepare(p, n)
			}
			before := p.stats.snapshot()
			if err := p.offer(n, epoch.Add(tt.after)); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if s := p.stats.snapshot().since(before); tt.want != nil && s.PassedOver[tt.want.Error()] != 1 || s.Candidates != 1 {
				t.Errorf("counted as %+v", s)
			}
		})
	}
}

// currentRefusals has the cases that depend on the candidate, and on the current dials.
func currentRefusals(t *testing.T) []refusalTest {
	other := fixture.NodeAt(t, itsEndpoint)
	called, _ := recordAt(t, punch.EndpointIndependent, enr.UDP(30303))
	return []refusalTest{
		{name: "no reason"},
		{name: "no address", node: enode.NewV4(other.Pubkey(), nil, 0, 0), want: refusal.ErrNoAddress},
		{name: "no TCP port", node: enode.NewV4(other.Pubkey(), []byte{203, 0, 113, 1}, 0, 30303), want: refusal.ErrNoAddress},
		{name: "no TCP port, with hole punching", node: called, prepare: func(p *plan, _ *enode.Node) { p.callsNATs = true }},
		{name: "no TCP port, this node without hole punching", node: called, want: refusal.ErrNoAddress},
		{name: "no TCP port, the candidate without hole punching", want: refusal.ErrNoAddress, prepare: func(p *plan, _ *enode.Node) { p.callsNATs = true },
			node: enode.NewV4(other.Pubkey(), []byte{203, 0, 113, 1}, 0, 30303)},
		{name: "no TCP port, not in the networks", node: called, want: refusal.ErrNotAllowed, prepare: func(p *plan, _ *enode.Node) {
			p.callsNATs, p.networks = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}},
		{name: "not in the networks", want: refusal.ErrNotAllowed, prepare: func(p *plan, _ *enode.Node) {
			p.networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}},
		{name: "static", want: errStatic, prepare: func(p *plan, n *enode.Node) { p.add(n, true, epoch) }},
		{name: "no room for it", want: refusal.ErrCrowdedNetwork, prepare: func(p *plan, n *enode.Node) {
			p.refuse = func(c peers.Remote) error {
				if c.ID == n.ID() && c.Addr == netip.MustParseAddr("203.0.113.1") && !c.Inbound {
					return refusal.ErrCrowdedNetwork
				}
				return nil
			}
		}},
		{name: "being dialed", want: refusal.ErrAlreadyDialing, prepare: func(p *plan, n *enode.Node) {
			mustOffer(t, p, n)
			p.start(epoch, 1)
		}},
		{name: "its endpoint is being dialed", want: errEndpointBusy, prepare: func(p *plan, _ *enode.Node) {
			mustOffer(t, p, other)
			p.start(epoch, 1)
		}},
		{name: "its endpoint is being dialed for a static node", want: errEndpointBusy, prepare: func(p *plan, _ *enode.Node) {
			p.add(other, false, epoch)
			p.start(epoch, 0)
		}},
	}
}

// laterRefusals has the cases that depend on earlier dials, links and candidates.
func laterRefusals(t *testing.T) []refusalTest {
	other := fixture.NodeAt(t, itsEndpoint)
	return []refusalTest{
		{name: "unreachable, recently", after: time.Minute - 1, want: errRecently, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeUnreachable) }},
		{name: "unreachable, a while ago", after: time.Minute, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeUnreachable) }},
		{name: "too many peers, a while ago", after: 40 * time.Second, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeBusy) }},
		{name: "too many peers on this machine, recently", node: fixture.NodeAt(t, "127.0.0.1:9"), after: 10*time.Second - 1, want: errRecently, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeBusy) }},
		{name: "too many peers on this machine, a while ago", node: fixture.NodeAt(t, "127.0.0.1:9"), after: 10 * time.Second, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeBusy) }},
		{name: "useless, recently", after: 30*time.Minute - 1, want: errRecently, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeUseless) }},
		{name: "useless, long ago", after: 30 * time.Minute, prepare: func(p *plan, n *enode.Node) { dialed(t, p, n, outcomeUseless) }},
		{name: "endpoint unreachable under another ID", after: time.Second, want: errRecently, prepare: func(p *plan, _ *enode.Node) { dialed(t, p, other, outcomeUnreachable) }},
		{name: "another node at the endpoint", after: time.Second, want: errRecently, prepare: func(p *plan, _ *enode.Node) { dialed(t, p, other, outcomeHandshake) }},
		{name: "a useless node at the same endpoint", after: time.Second, prepare: func(p *plan, _ *enode.Node) { dialed(t, p, other, outcomeUseless) }},
		{name: "other port of the address unreachable, recently", after: time.Second, want: errRecently, prepare: func(p *plan, _ *enode.Node) {
			dialed(t, p, fixture.NodeAt(t, "203.0.113.1:30304"), outcomeUnreachable)
		}},
		{name: "other port of the address unreachable, a while ago", after: 5 * time.Second, prepare: func(p *plan, _ *enode.Node) {
			dialed(t, p, fixture.NodeAt(t, "203.0.113.1:30304"), outcomeUnreachable)
		}},
		{name: "other port of this machine unreachable", node: fixture.NodeAt(t, "127.0.0.1:9"), prepare: func(p *plan, _ *enode.Node) {
			dialed(t, p, fixture.NodeAt(t, "127.0.0.1:8"), outcomeUnreachable)
		}},
		{name: "had a link a moment ago", after: time.Second, want: errRecently, prepare: func(p *plan, n *enode.Node) {
			p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: n.ID(), Addr: n.IPAddr()}, Cause: lost, Lived: time.Hour}, epoch)
		}},
		{name: "dialed us, and had a link a moment ago", after: time.Second, prepare: func(p *plan, n *enode.Node) {
			p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: n.ID(), Inbound: true}, Cause: lost, Lived: time.Hour}, epoch)
		}},
		{name: "already waiting", want: errWaiting, prepare: func(p *plan, n *enode.Node) { mustOffer(t, p, n) }},
		{name: "too many waiting", want: errEnough, prepare: func(p *plan, _ *enode.Node) {
			for range maxCandidates {
				mustOffer(t, p, fixture.Node(t))
			}
		}},
	}
}

func mustOffer(t *testing.T, p *plan, n *enode.Node) {
	t.Helper()
	if err := p.offer(n, epoch); err != nil {
		t.Fatal(err)
	}
}

// dialed dials a candidate, and ends the dial with an outcome.
func dialed(t *testing.T, p *plan, n *enode.Node, cause outcome) {
	t.Helper()
	mustOffer(t, p, n)
	dials := p.start(epoch, 1)
	if len(dials) != 1 || dials[0].node != n {
		t.Fatalf("dials %v, want one to %v", dials, n)
	}
	p.ended(dials[0].ticket, cause, epoch)
}

func TestCandidatesAreCheckedAgain(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	full := fixture.Node(t)
	p.refuse = func(c peers.Remote) error {
		if c.ID == full.ID() && len(p.waiting) < 2 {
			return refusal.ErrTooManyPeers
		}
		return nil
	}
	// The first two are in the pool when the third is offered, so the pool accepts it.
	a, b := fixture.Node(t), fixture.Node(t)
	for _, n := range []*enode.Node{a, b, full} {
		mustOffer(t, p, n)
	}
	dials := p.start(epoch, 9)
	if len(dials) != 2 || dials[0].node != a || dials[1].node != b {
		t.Errorf("dials %v, want those to the first two nodes", dials)
	}
	mustOffer(t, p, fixture.Node(t))
	if dials := p.start(epoch.Add(candidateAge+1), 9); len(dials) != 0 || len(p.waiting) != 0 {
		t.Errorf("dials %v, want none to a candidate that waited too long", dials)
	}
}

func TestStaticNodesGoFirst(t *testing.T) {
	p := newPlan(8, 100, noJitter)
	for range 20 {
		mustOffer(t, p, fixture.Node(t))
	}
	if dials := p.start(epoch, 20); len(dials) != 6 {
		t.Errorf("%d candidates dialed at once, want 6 of 8: a quarter is kept for static nodes", len(dials))
	}
	static := fixture.Node(t)
	p.add(static, false, epoch)
	if wait, ok := p.wait(epoch, 20); !ok || wait != 0 {
		t.Errorf("wait %v (%v) with a static node due", wait, ok)
	}
	if dials := p.start(epoch, 20); len(dials) != 1 || dials[0].node != static {
		t.Errorf("dials %v, want the static node", dials)
	}
}

func TestCandidatesNeedRoom(t *testing.T) {
	p := newPlan(50, 100, noJitter)
	for range 20 {
		mustOffer(t, p, fixture.Node(t))
	}
	first := p.start(epoch, 3)
	if len(first) != 3 {
		t.Fatalf("%d dials, want 3", len(first))
	}
	if _, ok := p.wait(epoch, 3); ok || len(p.start(epoch, 3)) != 0 {
		t.Error("more dials are planned while three are in progress")
	}
	p.ended(first[0].ticket, outcomeUnreachable, epoch)
	if wait, ok := p.wait(epoch, 3); !ok || wait != 0 || len(p.start(epoch, 3)) != 1 {
		t.Errorf("wait %v (%v) after one has ended", wait, ok)
	}
	if len(p.start(epoch, 0)) != 0 || len(p.start(epoch, -5)) != 0 {
		t.Error("dials begin without room")
	}
}

// TestOneDialPerEndpoint: static nodes that share an endpoint are dialed one after the other.
func TestOneDialPerEndpoint(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	a, b := fixture.NodeAt(t, "203.0.113.1:1"), fixture.NodeAt(t, "203.0.113.1:1")
	p.add(a, false, epoch)
	p.add(b, false, epoch)
	first := p.start(epoch, 0)
	if len(first) != 1 {
		t.Fatalf("%d dials to one endpoint", len(first))
	}
	if wait, ok := p.wait(epoch, 0); ok {
		t.Errorf("a dial is planned after %v, while the endpoint is busy", wait)
	}
	p.ended(first[0].ticket, outcomeUnreachable, epoch)
	second := p.start(epoch, 0)
	if len(second) != 1 || second[0].node == first[0].node {
		t.Errorf("second dial %v, want one to the other node", second)
	}
}

func TestDialsPerSecond(t *testing.T) {
	const rate = 5
	p := newPlan(1000, rate, noJitter)
	for range 50 {
		p.add(fixture.Node(t), false, epoch)
	}
	var begun []time.Time
	for now := epoch; now.Before(epoch.Add(5 * time.Second)); {
		dials := p.start(now, 0)
		for _, d := range dials {
			begun = append(begun, now)
			p.ended(d.ticket, outcomeUnreachable, now)
		}
		wait, ok := p.wait(now, 0)
		if !ok || wait <= 0 {
			t.Fatalf("wait %v (%v) while dials remain", wait, ok)
		}
		now = now.Add(wait)
	}
	for i := rate; i < len(begun); i++ {
		if gap := begun[i].Sub(begun[i-rate]); gap < time.Second {
			t.Fatalf("%d dials within %v", rate+1, gap)
		}
	}
	if len(begun) != 5*rate {
		t.Errorf("%d dials in 5 s, want %d", len(begun), 5*rate)
	}
}

func TestPausesGrowToALimit(t *testing.T) {
	tests := []struct {
		pause pause
		want  []time.Duration // in seconds
	}{
		{dynamicPauses[outcomeBusy], []time.Duration{40, 80, 160, 320, 600, 600}},
		{dynamicPauses[outcomeUnreachable], []time.Duration{60, 120, 240, 480, 960, 1920, 3600, 3600}},
		{dynamicPauses[outcomeUseless], []time.Duration{1800, 3600, 7200, 14400, 21600, 21600}},
		{dynamicPauses[outcomeCrossed], []time.Duration{40, 40}},
		{staticPauses[outcomeUseless], []time.Duration{10, 20, 40, 80, 160, 320, 600, 600}},
	}
	for _, tt := range tests {
		for i, want := range tt.want {
			want *= time.Second
			if got := tt.pause.after(i, 0); got != want {
				t.Errorf("%v after %d failures: %v, want %v", tt.pause, i, got, want)
			}
			if got := tt.pause.after(i, 0.999); got < want*4/5 || got >= want {
				t.Errorf("%v after %d failures, full jitter: %v, want a little over %v", tt.pause, i, got, want*4/5)
			}
		}
	}
	if got := (pause{time.Second, time.Hour}).after(1<<40, 0); got != time.Hour {
		t.Errorf("after very many failures: %v", got)
	}
}

// recordAt signs the record of a node that takes part in hole punching.
func recordAt(t *testing.T, nat punch.NAT, entries ...enr.Entry) (*enode.Node, *ecdsa.PrivateKey) {
	return fixture.Record(t, append(entries, punch.NewEntry(nat), enr.IPv4Addr(netip.MustParseAddr("198.51.100.7")))...)
}

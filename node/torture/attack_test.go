package torture

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

// scene is a node on a network in memory, where time is simulated.
type scene struct {
	*nodetest.Cluster
	runner *runner
	side   *side
}

// hosts of the attackers, and of the honest nodes.
var (
	attackerHosts = []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2")}
	honestHosts   = []netip.Addr{netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("10.2.0.2")}
)

// stage runs a node with these protocols, and two honest links to it.
func stage(t *testing.T, ctx context.Context, specs ...protocols.Spec) *scene {
	c := nodetest.New(t, 1, func(_ int, c *node.Config) { c.Specs, c.MaxPeers = specs, 50 })
	c.SetLatency(5 * time.Millisecond) // without it the honest links' conversations take no time
	n := c.Nodes[0]
	at := netip.AddrPortFrom(c.Host(0), node.DefaultPort)
	o := &owner{Target: Target{Node: n.Self()}, tcp: at, dial: func(ctx context.Context, from netip.Addr) (net.Conn, error) {
		return c.Network.DialFrom(from)(ctx, at)
	}}
	for _, name := range n.Info().Caps {
		capability, err := parseCap(name)
		if err != nil {
			t.Fatal(err)
		}
		o.caps = append(o.caps, capability)
	}
	s := &side{o, newLedger()}
	events := n.Subscribe(ctx)
	go func() {
		for e := range events {
			switch e.Kind {
			case node.PeerDropped:
				s.note(peerEvent{Type: "drop", Error: e.Cause.Error(), Remote: e.Peer.RemoteAddr, Missed: e.Missed})
			case node.SetupFailed:
				s.note(peerEvent{Type: "failed", Error: e.Err.Error(), Remote: e.Peer.RemoteAddr, Missed: e.Missed})
			}
		}
	}()
	return &scene{Cluster: c, side: s, runner: &runner{ctx: ctx, target: s, crowd: gather(ctx, o, len(honestHosts), honestHosts)}}
}

// attack is a phase of one attack by two attackers.
func (s *scene) attack(t *testing.T, a Attack, length time.Duration) *Result {
	t.Helper()
	r := s.runner
	ctx := r.ctx
	if err := r.gathered(); err != nil {
		t.Fatal(err)
	}
	p := &phase{}
	acting, stop := context.WithTimeout(ctx, length)
	defer stop()
	held, release := context.WithCancel(ctx)
	defer release()
	var work sync.WaitGroup
	c := &counts{}
	p.counts = []*counts{c}
	r.window(0)
	for i := range attackerHosts {
		attacker := &Attacker{
			node: s.side.owner, ledger: s.side.ledger, counts: c, from: rotated(attackerHosts, i), pace: pace{rate: a.About().Rate},
			acting: acting, held: held, room: make(chan struct{}, maxOpen), work: &work,
		}
		work.Go(func() { a.Attack(attacker) })
	}
	<-acting.Done()
	res := &Result{Attack: a.About().Name, During: r.window(length)}
	p.finish(r, s.side, &work, release, a.About().Ends)
	c.fill(res, a.About().Words)
	res.HonestLost = int(r.crowd.lost.Load())
	res.Missed = s.side.forget()
	return res
}

// naming has, for each attack with a connection, words of a cause that the node must give at least
// once to an attacker, against a node with bench and against one with chat.
var naming = map[string]struct{ bench, chat string }{
	"half-open":      {"waiting for auth", "waiting for auth"},
	"slow-handshake": {"waiting for the remote's hello", "waiting for auth"},
	"slow-frame":     {"frame not complete 30 s after its first byte", "frame not complete 30 s after its first byte"},
	"bomb":           {"payload exceeds", "at most"},
	"bomb-echo":      {"disconnect requested", ""},
	"bomb-ping":      {"disconnect requested", "disconnect requested"},
	"pings":          {"no byte written for 20 s", "no byte written for 20 s"}, // whether or not our reader waits as well
	"requests":       {"no byte written for 20 s", "disconnect requested"},
	"handshakes":     {"connection closed without a Disconnect", "connection closed without a Disconnect"},
	"disconnects":    {"remote: disconnect requested", "remote: disconnect requested"},
	"replay":         {"perhaps after a replayed auth", "perhaps after a replayed auth"},
	"twice":          {"already connected", "already connected"},
}

// TestAttacks: each attack that has a connection ends with a cause that names it. The honest links
// stay up, and each still gets its answers.
func TestAttacks(t *testing.T) {
	for protocol, spec := range map[string]func() protocols.Spec{
		"bench": bench.Spec,
		"chat":  func() protocols.Spec { return chat.NewRoom().Spec() },
	} {
		for _, a := range All() {
			about := a.About()
			if about.Ends == 0 || protocol == "chat" && about.Needs == needsBench {
				continue
			}
			t.Run(about.Name+" "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					s := stage(t, ctx, spec())
					r := s.attack(t, a, 3*time.Second)
					cancel()
					s.runner.crowd.work.Wait()
					r.check(t, naming[about.Name].bench, naming[about.Name].chat, protocol)
				})
			})
		}
	}
}

func (r *Result) check(t *testing.T, inBench, inChat, protocol string) {
	t.Helper()
	want := inBench
	if protocol == "chat" {
		want = inChat
	}
	found := false
	for _, e := range r.Ends {
		found = found || contains(e.Cause, []string{want})
		if !e.Named {
			t.Errorf("%d connections ended with %q, which does not name the attack", e.Count, e.Cause)
		}
	}
	if !found {
		t.Errorf("no connection ended with %q: %+v", want, r.Ends)
	}
	if r.Traffic.Actions == 0 || r.Open != 0 || r.Missed != 0 {
		t.Errorf("%+v, %d without a reported end, %d missed", r.Traffic, r.Open, r.Missed)
	}
	// A round trip is at least 10 ms. Two links could have 200 answers a second.
	if r.HonestLost != 0 || r.During.PerSecond < 100 || r.During.Gap > time.Second {
		t.Errorf("honest links: %.0f answers a second, longest gap %v, %d lost", r.During.PerSecond, r.During.Gap, r.HonestLost)
	}
}

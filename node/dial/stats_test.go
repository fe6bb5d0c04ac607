package dial

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/wire"
)

func TestReporter(t *testing.T) {
	var r reporter
	var reported []time.Duration
	for s := time.Duration(0); s <= 30*time.Minute; s += time.Second {
		if r.due(true, epoch.Add(s)) {
			reported = append(reported, s)
		}
	}
	want := []time.Duration{10 * time.Second, 30 * time.Second, 70 * time.Second, 150 * time.Second, 310 * time.Second, 630 * time.Second, 1230 * time.Second}
	if len(reported) != len(want) {
		t.Fatalf("reported after %v, want %v", reported, want)
	}
	for i := range want {
		if reported[i] != want[i] {
			t.Errorf("reported after %v, want %v", reported, want)
		}
	}
	later := epoch.Add(time.Hour)
	if r.due(false, later) || r.due(true, later) || !r.due(true, later.Add(reportFirst)) {
		t.Error("the intervals do not restart after a time with enough peers")
	}
}

func TestStats(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	full, useless := fixture.Node(t), fixture.Node(t)
	dialed(t, p, full, outcomeBusy)
	dialed(t, p, useless, outcomeLinked)
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: useless.ID()}, Cause: &actors.Cause{Side: actors.Remote, Reason: wire.DiscUselessPeer}}, epoch)
	p.unlinked(&peers.LinkDown{Remote: peers.Remote{ID: enode.ID{1}, Inbound: true}, Cause: lost}, epoch)
	if err := p.offer(full, epoch); err == nil {
		t.Fatal("a node that was just dialed is accepted again")
	}
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("test", p.stats.snapshot().attrs()...)
	want := "candidates=3 dialed=2 linked=1 failed.busy=1 failed.useless=1 passed_over.dialed_recently=1\n"
	if !strings.HasSuffix(text.String(), want) {
		t.Errorf("got %q, want it to end with %q", text.String(), want)
	}
}

// TestStatsSince: a report counts from its base, and the counters themselves never shrink.
func TestStatsSince(t *testing.T) {
	p := newPlan(10, 100, noJitter)
	n := fixture.Node(t)
	dialed(t, p, n, outcomeBusy)
	base := p.stats.snapshot()
	if err := p.offer(n, epoch); err == nil {
		t.Fatal("a node that was just dialed is accepted again")
	}
	s := p.stats.snapshot()
	if d := s.since(base); d.Candidates != 1 || d.Dialed != 0 || len(d.Failed) != 0 || d.PassedOver["dialed recently"] != 1 {
		t.Errorf("since the base: %+v", d)
	}
	if s.Candidates != 2 || s.Dialed != 1 || s.Failed["busy"] != 1 {
		t.Errorf("in total: %+v", s)
	}
}

package node

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

func TestDialShare(t *testing.T) {
	for _, tt := range []struct{ peers, ratio, want int }{
		{0, 3, 0}, {1, 3, 1}, {2, 3, 1}, {3, 3, 2}, {5, 3, 3}, {8, 3, 4}, {12, 3, 4}, {50, 3, 16}, {50, 1, 50}, {50, 50, 4},
	} {
		if got := dialShare(tt.peers, tt.ratio); got != tt.want {
			t.Errorf("%d peers, ratio %d: %d, want %d", tt.peers, tt.ratio, got, tt.want)
		}
	}
}

func TestDialRoom(t *testing.T) {
	fifty := limits{peers: 50, outbound: 16}
	tests := []struct {
		name    string
		limits  limits
		counts  counts
		starved bool
		want    int
	}{
		{name: "alone", limits: fifty, want: 16},
		{name: "some dialed", limits: fifty, counts: counts{others: 10, outbound: 10}, want: 6},
		{name: "share is full", limits: fifty, counts: counts{others: 16, outbound: 16}, want: 0},
		{name: "starved", limits: fifty, counts: counts{others: 16, outbound: 16}, starved: true, want: 50 - 12 - 16},
		{name: "starved, a quarter is kept", limits: fifty, counts: counts{others: 38, outbound: 38}, starved: true, want: 0},
		{name: "starved beside old inbound ones", limits: fifty, counts: counts{others: 36, outbound: 16, inbound: 20}, starved: true, want: 2},
		{name: "inbound has its share, and somebody new came", limits: fifty, counts: counts{others: 38, outbound: 20, inbound: 18}, want: -4},
		{name: "no room at all", limits: fifty, counts: counts{others: 50, outbound: 2, inbound: 34}, want: 0},
		{name: "loopback doesn't count", limits: limits{peers: 50, outbound: 16, loopback: 100}, counts: counts{others: 50, loopback: 5, outbound: 2}, want: 14},
		{name: "but is nobody's where there is none", limits: limits{peers: 50, outbound: 16, loopback: 100}, counts: counts{others: 50, outbound: 2}, want: 0},
		{name: "not looking", limits: limits{peers: 50}, starved: true, want: 0},
		{name: "two, starved", limits: limits{peers: 2, outbound: 1}, counts: counts{others: 1, outbound: 1}, starved: true, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.limits.dialRoom(tt.counts, tt.starved).free(); got != tt.want {
				t.Errorf("room for %d, want %d", got, tt.want)
			}
		})
	}
}

func TestStarved(t *testing.T) {
	p := newDialPlan(10, 10, noJitter)
	p.began(epoch)
	if p.starved(epoch.Add(starvedAfter - 1)) {
		t.Error("starved before its time")
	}
	if !p.starved(epoch.Add(starvedAfter)) || p.starvesIn(epoch) != starvedAfter {
		t.Error("not starved when nobody came")
	}
	p.linked(enode.ID{1}, false, epoch.Add(starvedAfter))
	if !p.starved(epoch.Add(starvedAfter)) {
		t.Error("our own dial is taken for somebody's who came")
	}
	p.linked(enode.ID{2}, true, epoch.Add(starvedAfter))
	p.began(epoch.Add(starvedAfter + time.Second)) // the dialer was restarted
	if p.starved(epoch.Add(2*starvedAfter - 1)) {
		t.Error("starved although somebody came")
	}
}

func TestLookout(t *testing.T) {
	var l lookout
	var told []time.Duration
	for s := time.Duration(0); s <= 30*time.Minute; s += time.Second {
		if l.due(true, epoch.Add(s)) {
			told = append(told, s)
		}
	}
	want := []time.Duration{10 * time.Second, 30 * time.Second, 70 * time.Second, 150 * time.Second, 310 * time.Second, 630 * time.Second, 1230 * time.Second}
	if len(told) != len(want) {
		t.Fatalf("told after %v, want %v", told, want)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Errorf("told after %v, want %v", told, want)
		}
	}
	later := epoch.Add(time.Hour)
	if l.due(false, later) || l.due(true, later) || !l.due(true, later.Add(lookoutFirst)) {
		t.Error("after a time with enough peers it does not begin anew")
	}
}

func TestCauses(t *testing.T) {
	remote := func(r wire.DiscReason) error { return &wire.RemoteDisconnect{Reason: r} }
	for _, tt := range []struct {
		err  error
		want dialCause
	}{
		{nil, causeNone},
		{remote(wire.DiscTooManyPeers), causeBusy},
		{remote(wire.DiscUselessPeer), causeUseless},
		{remote(wire.DiscSubprotocolError), causeUseless},
		{remote(wire.DiscIncompatibleVersion), causeUseless},
		{remote(wire.DiscAlreadyConnected), causeCrossed},
		{remote(wire.DiscQuitting), causeLost},
		{&refusal.Unreachable{Err: io.ErrUnexpectedEOF}, causeUnreachable},
		{&refusal.Unreachable{Err: refusal.ErrNoAddress}, causeUnreachable},
		{refusal.ErrSetupTimeout, causeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrSilent}, causeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrTCP}, causeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrNoNeighbour}, causeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrUnsupported}, causeUnreachable},
		{&refusal.Unreachable{Err: fmt.Errorf("%w; %w: %w", io.EOF, punch.ErrTried, punch.ErrSilent)}, causeUnreachable},
		{&refusal.Unreachable{Err: fmt.Errorf("%w; %w: %w", io.EOF, punch.ErrTried, punch.ErrFiltered)}, causeImpassable},
		{&refusal.Unreachable{Err: fmt.Errorf("%w; %w", io.EOF, punch.ErrImpossible)}, causeImpassable},
		{&refusal.Unreachable{Err: punch.ErrUDPOnly}, causeImpassable},
		{&refusal.Unreachable{Err: punch.ErrCrossed}, causeCrossed},
		{&refusal.Unreachable{Err: punch.ErrBusy}, causeOurs},
		{&refusal.Unreachable{Err: punch.ErrDown}, causeOurs},
		{io.EOF, causeHandshake},
		{wire.ErrBadAck, causeHandshake},
		{refusal.ErrUselessPeer, causeUseless},
		{refusal.ErrTooManyPeers, causeOurs},
		{refusal.ErrCrowdedNetwork, causeOurs},
		{refusal.ErrBanned, causeOurs},
		{refusal.ErrCancelled, causeOurs},
		{refusal.ErrProtocolRemoved, causeOurs},
		{refusal.ErrStopping, causeOurs},
		{refusal.ErrAlreadyConnected, causeCrossed},
		{refusal.ErrTheirDialFirst, causeCrossed},
		{refusal.ErrPendingInbound, causeCrossed},
	} {
		if got := causeOfSetup(tt.err); got != tt.want {
			t.Errorf("dial ended with %v: %v, want %v", tt.err, got, tt.want)
		}
	}
	for _, tt := range []struct {
		cause *Cause
		want  dialCause
	}{
		{nil, causeLost},
		{&Cause{Side: actors.Remote, Reason: wire.DiscTooManyPeers}, causeBusy},
		{&Cause{Side: actors.Remote, Reason: wire.DiscUselessPeer}, causeUseless},
		{&Cause{Side: actors.Local, Reason: wire.DiscUselessPeer}, causeUseless},
		{&Cause{Side: actors.Local, Reason: wire.DiscProtocolError}, causeUseless},
		{&Cause{Side: actors.Remote, Reason: wire.DiscQuitting}, causeLost},
		{&Cause{Side: actors.Network, Reason: wire.DiscNetworkError, Err: io.EOF}, causeLost},
		{&Cause{Side: actors.Local, Reason: wire.DiscReadTimeout}, causeLost},
		{&Cause{Side: actors.Local, Reason: wire.DiscTooManyPeers, Err: refusal.ErrMadeRoom}, causeUseless},
		{&Cause{Side: actors.Local, Reason: wire.DiscUselessPeer, Err: refusal.ErrProtocolRemoved}, causeOurs},
	} {
		if got := causeOfEnd(tt.cause); got != tt.want {
			t.Errorf("link ended with %v: %v, want %v", tt.cause, got, tt.want)
		}
	}
}

func TestWhatTheSearchCameTo(t *testing.T) {
	p := newDialPlan(10, 100, noJitter)
	full, useless := fixture.Node(t), fixture.Node(t)
	dialed(t, p, full, causeBusy)
	dialed(t, p, useless, causeNone)
	p.unlinked(&linkDown{caller: caller{id: useless.ID()}, cause: causeUseless}, epoch)
	p.unlinked(&linkDown{caller: caller{id: enode.ID{1}, inbound: true}, cause: causeLost}, epoch)
	if err := p.offer(full, epoch); err == nil {
		t.Fatal("offered again at once, and taken")
	}
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("test", p.stats.attrs()...)
	want := "candidates=3 dialed=2 linked=1 failed.busy=1 failed.useless=1 passed_over.dialed_recently=1\n"
	if !strings.HasSuffix(text.String(), want) {
		t.Errorf("got %q, want it to end with %q", text.String(), want)
	}
}

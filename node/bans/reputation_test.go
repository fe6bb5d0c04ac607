package bans

import (
	"errors"
	"io"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

func TestOffenceOf(t *testing.T) {
	tests := []struct {
		name  string
		cause *actors.Cause
		want  Offence
	}{
		{"no cause", nil, Harmless},
		{"the remote quits", &actors.Cause{Side: actors.Remote, Reason: wire.DiscQuitting}, Harmless},
		{"the remote reports a breach", &actors.Cause{Side: actors.Remote, Reason: wire.DiscProtocolError}, Harmless},
		{"bad frame", &actors.Cause{Side: actors.Local, Reason: wire.DiscProtocolError, Err: wire.ErrBadFrameMAC}, breach},
		{"unknown code", &actors.Cause{Side: actors.Local, Reason: wire.DiscSubprotocolError, Err: errors.New("unknown code")}, breach},
		{"crashes", &actors.Cause{Side: actors.Local, Reason: wire.DiscSubprotocolError, Stack: []byte("stack")}, provoked},
		{"our protocol returned", &actors.Cause{Side: actors.Local, Reason: wire.DiscProtocolError, Err: actors.ErrReturned}, Harmless},
		{"our protocol is slow", &actors.Cause{Side: actors.Local, Reason: wire.DiscSubprotocolError, Err: actors.ErrStalled}, Harmless},
		{"our memory is full", &actors.Cause{Side: actors.Local, Reason: wire.DiscSubprotocolError, Err: actors.ErrMemory}, Harmless},
		{"no protocol left", &actors.Cause{Side: actors.Local, Reason: wire.DiscUselessPeer, Err: refusal.ErrProtocolRemoved}, Harmless},
		{"another chain", &actors.Cause{Side: actors.Local, Reason: wire.DiscUselessPeer}, useless},
		{"no ping", &actors.Cause{Side: actors.Local, Reason: wire.DiscReadTimeout, Err: actors.ErrPingTimeout}, silent},
		{"reads nothing", &actors.Cause{Side: actors.Network, Reason: wire.DiscNetworkError, Err: actors.ErrWriteTimeout}, notReading},
		{"network", &actors.Cause{Side: actors.Network, Reason: wire.DiscNetworkError, Err: io.EOF}, Harmless},
		{"the operator", &actors.Cause{Side: actors.Local, Reason: wire.DiscRequested}, Harmless},
		{"we quit", &actors.Cause{Side: actors.Local, Reason: wire.DiscQuitting}, Harmless},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := OfLink(tt.cause); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestReputation(t *testing.T) {
	node, host := ByID(enode.ID{1}), ByIP(netip.MustParseAddr("203.0.113.1"))
	type step struct {
		after time.Duration // since the step before
		what  Offence
		ban   time.Duration
	}
	repeat := func(n int, s step) []step {
		steps := make([]step, n)
		for i := range steps {
			steps[i] = s
		}
		return steps
	}
	join := func(parts ...[]step) (all []step) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	one := func(s step) []step { return []step{s} }
	tests := []struct {
		name   string
		target Target
		steps  []step
	}{
		{"harmless", node, repeat(1000, step{what: Harmless})},
		{"third breach", node, join(repeat(2, step{what: breach}), one(step{what: breach, ban: time.Hour}))},
		{"third crash", node, join(repeat(2, step{what: provoked}), one(step{what: provoked, ban: time.Hour}))},
		{"fifth time useless", node, join(repeat(4, step{what: useless}), one(step{what: useless, ban: time.Hour}))},
		{"one breach an hour", node, repeat(100, step{after: time.Hour, what: breach})},
		{"silent every 5 minutes", node, repeat(100, step{after: 5 * time.Minute, what: silent})},
		{"the score starts at zero after a ban", node, join(
			repeat(2, step{what: breach}), one(step{what: breach, ban: time.Hour}), repeat(2, step{what: breach}))},
		{"the next ban is longer", node, join(
			repeat(2, step{what: breach}), one(step{what: breach, ban: time.Hour}),
			repeat(2, step{what: breach}), one(step{what: breach, ban: 2 * time.Hour}))},
		{"a ban long ago is forgotten", node, join(
			repeat(2, step{what: breach}), one(step{what: breach, ban: time.Hour}),
			one(step{after: 48 * time.Hour, what: breach}), one(step{what: breach}), one(step{what: breach, ban: time.Hour}))},
		{"an address is banned at four times the points", host, join(repeat(9, step{what: breach}), one(step{what: breach, ban: time.Hour}))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r reputation
			now := time.Unix(1_000_000, 0)
			for i, s := range tt.steps {
				now = now.Add(s.after)
				if got := r.record(tt.target, s.what, now); got != s.ban {
					t.Fatalf("step %d, %v: ban of %v, want %v", i, s.what, got, s.ban)
				}
			}
		})
	}
}

func TestBansGrowToADay(t *testing.T) {
	var r reputation
	now := time.Unix(1_000_000, 0)
	var last time.Duration
	for range 100 {
		if ban := r.record(ByID(enode.ID{1}), breach, now); ban > 0 {
			last = ban
		}
	}
	if last != 24*time.Hour {
		t.Errorf("the last of many bans lasts %v, want a day", last)
	}
}

func TestScoreDecays(t *testing.T) {
	var r reputation
	target, now := ByID(enode.ID{1}), time.Unix(1_000_000, 0)
	r.record(target, breach, now)
	for i, want := range []float64{40, 20, 10, 5} {
		if got := r.score(target, now.Add(time.Duration(i)*30*time.Minute)); math.Abs(got-want) > 1e-9 {
			t.Errorf("after %d half-lives: %v, want %v", i, got, want)
		}
	}
	r.forget(target)
	if got := r.score(target, now); got != 0 {
		t.Errorf("score %v after forget, want 0", got)
	}
}

func TestReputationMemoryIsBounded(t *testing.T) {
	var r reputation
	now := time.Unix(1_000_000, 0)
	worst := ByID(enode.ID{0xff, 0xff})
	r.record(worst, breach, now)
	r.record(worst, breach, now)
	for i := range 3 * reputationMemory {
		r.record(ByID(enode.ID{byte(i >> 16), byte(i >> 8), byte(i), 1}), silent, now)
	}
	if len(r.records) > reputationMemory {
		t.Errorf("%d records, want at most %d", len(r.records), reputationMemory)
	}
	if got := r.score(worst, now); got != 80 {
		t.Errorf("score %v after many small offences of other nodes, want 80", got)
	}
}

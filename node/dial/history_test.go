package dial

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/peers"
)

func TestHistory(t *testing.T) {
	id := enode.ID{1}
	type event struct {
		after time.Duration
		do    func(h *history, now time.Time)
		rest  time.Duration // the pause before the node may be dialed again
	}
	failed := func(o outcome, rest time.Duration) event {
		return event{time.Hour, func(h *history, now time.Time) { h.note(id, nil, o, 0, now) }, rest}
	}
	parted := func(o outcome, healthy bool, rest time.Duration) event {
		end := &peers.LinkDown{Remote: peers.Remote{ID: id, Addr: netip.MustParseAddr("203.0.113.1")}}
		if healthy {
			end.Lived = redialMax
		}
		return event{time.Hour, func(h *history, now time.Time) { h.parted(end, o, 0, now) }, rest}
	}
	tests := []struct {
		name   string
		events []event
	}{
		{"same failure again", []event{failed(outcomeUnreachable, time.Minute), failed(outcomeUnreachable, 2*time.Minute), failed(outcomeUnreachable, 4*time.Minute)}},
		{"different failure", []event{failed(outcomeUnreachable, time.Minute), failed(outcomeUnreachable, 2*time.Minute), failed(outcomeBusy, 40*time.Second)}},
		{"a link", []event{failed(outcomeLinked, 40*time.Second), parted(outcomeLost, true, 40*time.Second)}},
		{"links that end at once", []event{parted(outcomeLost, false, 40*time.Second), failed(outcomeLinked, 40*time.Second), parted(outcomeLost, false, 80*time.Second)}},
		{"long links", []event{parted(outcomeLost, true, 40*time.Second), failed(outcomeLinked, 40*time.Second), parted(outcomeLost, true, 40*time.Second)}},
		{"a long link that was useless", []event{parted(outcomeUseless, true, 30*time.Minute)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h history
			now := epoch
			for i, e := range tt.events {
				now = now.Add(e.after)
				e.do(&h, now)
				if !h.recent(id, nil, now.Add(e.rest-1)) || h.recent(id, nil, now.Add(e.rest)) {
					t.Errorf("event %d: pause %v, want %v", i, h.nodes[id].due.Sub(now), e.rest)
				}
			}
		})
	}
}

func TestALinkClearsTheAddress(t *testing.T) {
	var h history
	at := []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:30303")}
	h.note(enode.ID{1}, at, outcomeUnreachable, 0, epoch)
	if !h.recent(enode.ID{2}, at, epoch) {
		t.Fatal("no pause for the endpoint")
	}
	h.note(enode.ID{2}, at, outcomeLinked, 0, epoch)
	if h.recent(enode.ID{3}, at, epoch) || len(h.places) != 0 {
		t.Errorf("after a link: %v", h.places)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	long := enode.ID{0xff, 0xff}
	h.note(long, nil, outcomeUseless, 0, epoch)
	for i := range 3 * historySize {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1}), 30303)
		h.note(enode.ID{byte(i >> 16), byte(i >> 8), byte(i), 1}, []netip.AddrPort{at}, outcomeUnreachable, 0, epoch)
	}
	if len(h.nodes) > historySize || len(h.places) > historySize {
		t.Errorf("%d nodes and %d places remembered, want at most %d each", len(h.nodes), len(h.places), historySize)
	}
	if !h.recent(long, nil, epoch) {
		t.Error("the node with the longest pause is forgotten first")
	}
}

package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

func TestHistory(t *testing.T) {
	id := enode.ID{1}
	type event struct {
		after time.Duration
		do    func(h *history, now time.Time)
		rest  time.Duration // for how long the node is then left in peace
	}
	failed := func(cause dialCause, rest time.Duration) event {
		return event{time.Hour, func(h *history, now time.Time) { h.note(id, nil, cause, 0, now) }, rest}
	}
	parted := func(cause dialCause, healthy bool, rest time.Duration) event {
		end := &linkDown{caller: caller{id: id, addr: netip.MustParseAddr("203.0.113.1")}, cause: cause}
		if healthy {
			end.lived = redialMax
		}
		return event{time.Hour, func(h *history, now time.Time) { h.parted(end, 0, now) }, rest}
	}
	tests := []struct {
		name   string
		events []event
	}{
		{"the same again", []event{failed(causeUnreachable, time.Minute), failed(causeUnreachable, 2*time.Minute), failed(causeUnreachable, 4*time.Minute)}},
		{"something else", []event{failed(causeUnreachable, time.Minute), failed(causeUnreachable, 2*time.Minute), failed(causeBusy, 40*time.Second)}},
		{"a link in between", []event{failed(causeNone, 40*time.Second), parted(causeLost, true, 40*time.Second)}},
		{"links that end at once", []event{parted(causeLost, false, 40*time.Second), failed(causeNone, 40*time.Second), parted(causeLost, false, 80*time.Second)}},
		{"links that live", []event{parted(causeLost, true, 40*time.Second), failed(causeNone, 40*time.Second), parted(causeLost, true, 40*time.Second)}},
		{"a long link that was useless", []event{parted(causeUseless, true, 30*time.Minute)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h history
			now := epoch
			for i, e := range tt.events {
				now = now.Add(e.after)
				e.do(&h, now)
				if !h.recent(id, nil, now.Add(e.rest-1)) || h.recent(id, nil, now.Add(e.rest)) {
					t.Errorf("event %d: left in peace until %v, want %v", i, h.nodes[id].due.Sub(now), e.rest)
				}
			}
		})
	}
}

func TestALinkClearsTheAddress(t *testing.T) {
	var h history
	at := []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:30303")}
	h.note(enode.ID{1}, at, causeUnreachable, 0, epoch)
	if !h.recent(enode.ID{2}, at, epoch) {
		t.Fatal("the endpoint is not left in peace")
	}
	h.note(enode.ID{2}, at, causeNone, 0, epoch)
	if h.recent(enode.ID{3}, at, epoch) || len(h.places) != 0 {
		t.Errorf("after a link: %v", h.places)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	long := enode.ID{0xff, 0xff}
	h.note(long, nil, causeUseless, 0, epoch)
	for i := range 3 * historySize {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1}), 30303)
		h.note(enode.ID{byte(i >> 16), byte(i >> 8), byte(i), 1}, []netip.AddrPort{at}, causeUnreachable, 0, epoch)
	}
	if len(h.nodes) > historySize || len(h.places) > historySize {
		t.Errorf("%d nodes and %d places remembered, want at most %d each", len(h.nodes), len(h.places), historySize)
	}
	if !h.recent(long, nil, epoch) {
		t.Error("the node that was to be left in peace the longest is forgotten first")
	}
}

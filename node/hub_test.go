package node

import (
	"context"
	"testing"
)

func TestSlowSubscriberMissesEvents(t *testing.T) {
	var h hub
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	slow, quick := h.subscribe(ctx), h.subscribe(ctx)
	const extra = 7
	for range eventBuffer + extra {
		h.publish(Event{Kind: PeerAdded})
		if e := <-quick; e.Missed != 0 {
			t.Fatalf("the quick subscriber missed %d events", e.Missed)
		}
	}
	for range eventBuffer {
		if e := <-slow; e.Missed != 0 {
			t.Fatalf("%d events missed before the buffer was full", e.Missed)
		}
	}
	h.publish(Event{Kind: PeerDropped})
	if e := <-slow; e.Kind != PeerDropped || e.Missed != extra {
		t.Errorf("event %v with %d missed, want %v with %d", e.Kind, e.Missed, PeerDropped, extra)
	}
	h.publish(Event{Kind: PeerAdded})
	if e := <-slow; e.Missed != 0 {
		t.Errorf("%d missed events are reported twice", e.Missed)
	}
}

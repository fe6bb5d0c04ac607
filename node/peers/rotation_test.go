package peers

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

func TestRotationDue(t *testing.T) {
	type look struct {
		after    time.Duration
		full     bool
		refusals uint64
		want     bool
	}
	tests := []struct {
		name  string
		looks []look
	}{
		{"room", []look{{0, false, 5, false}, {time.Hour, false, 9, false}}},
		{"full, no node refused", []look{{0, true, 5, false}, {time.Hour, true, 5, false}}},
		{"full, a node refused", []look{{0, true, 5, false}, {10 * time.Minute, true, 6, true}}},
		{"full for too short a time", []look{{0, true, 5, false}, {10*time.Minute - 1, true, 6, false}}},
		{"room in between", []look{{0, true, 5, false}, {5 * time.Minute, false, 5, false}, {6 * time.Minute, true, 6, false}, {12 * time.Minute, true, 7, false}, {16 * time.Minute, true, 7, true}}},
		{"one at a time", []look{{0, true, 0, false}, {10 * time.Minute, true, 100, true}, {11 * time.Minute, true, 200, false}, {15 * time.Minute, true, 300, true}}},
		{"no node refused since the last eviction", []look{{0, true, 0, false}, {10 * time.Minute, true, 1, true}, {time.Hour, true, 1, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c rotation
			for i, l := range tt.looks {
				if got := c.due(l.full, l.refusals, 0, epoch.Add(l.after)); got != l.want {
					t.Errorf("look %d, after %v: %v, want %v", i, l.after, got, l.want)
				}
			}
		})
	}
}

func TestRotationJitter(t *testing.T) {
	var c rotation
	c.due(true, 0, 0, epoch)
	c.due(true, 1, 0.999, epoch.Add(rotationAfter))
	if early := epoch.Add(rotationAfter + rotationEvery*4/5); c.due(true, 2, 0, early) || !c.due(true, 2, 0, early.Add(time.Second)) {
		t.Error("jitter does not shorten the interval by a fifth")
	}
}

func TestLeastUseful(t *testing.T) {
	peer := func(id byte, age time.Duration, messages uint64) evictable {
		return evictable{enode.ID{id}, age, messages}
	}
	old := time.Hour
	tests := []struct {
		name   string
		list   []evictable
		chance float64
		want   byte // 0: none
	}{
		{name: "no peers"},
		{name: "all too young", list: []evictable{peer(1, rotationAge-1, 0), peer(2, 0, 0)}},
		{name: "one old enough", list: []evictable{peer(1, 0, 0), peer(2, rotationAge, 1000)}, want: 2},
		{name: "no messages", list: []evictable{peer(1, old, 10), peer(2, old, 0), peer(3, old, 30)}, want: 2},
		{name: "messages in relation to age", list: []evictable{peer(1, old, 60), peer(2, 10*old, 300), peer(3, old, 100)}, want: 2},
		{name: "one of the least useful quarter", list: []evictable{peer(1, old, 1), peer(2, old, 2), peer(3, old, 3), peer(4, old, 4), peer(5, old, 5)}, chance: 0.999, want: 2},
		{name: "none of the other three quarters", list: []evictable{peer(1, old, 1), peer(2, old, 2), peer(3, old, 3), peer(4, old, 4)}, chance: 0.999, want: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, ok := leastUseful(tt.list, tt.chance)
			if ok != (tt.want != 0) || ok && id != (enode.ID{tt.want}) {
				t.Errorf("got %x (%v), want %x", id[:1], ok, tt.want)
			}
		})
	}
}

var epoch = time.Unix(1_000_000, 0)

package devnet

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

func TestGraph(t *testing.T) {
	id := func(i byte) enode.ID { return enode.ID{31: i} }
	of := func(lists ...[]byte) graph {
		g := graph{}
		for i, list := range lists {
			g[id(byte(i))] = nil
			for _, p := range list {
				g[id(byte(i))] = append(g[id(byte(i))], id(p))
			}
		}
		return g
	}
	const gone = 99
	for _, tt := range []struct {
		name              string
		g                 graph
		links, components int
		min, median, max  int
	}{
		{"no node", of(), 0, 0, 0, 0, 0},
		{"one", of(nil), 0, 1, 0, 0, 0},
		{"two strangers", of(nil, nil), 0, 2, 0, 0, 0},
		{"a pair", of([]byte{1}, []byte{0}), 1, 1, 1, 1, 1},
		{"a pair that only one reports", of([]byte{1}, nil), 1, 1, 0, 1, 1},
		{"a ring", of([]byte{1, 3}, []byte{0, 2}, []byte{1, 3}, []byte{2, 0}), 4, 1, 2, 2, 2},
		{"a star", of([]byte{1, 2, 3}, []byte{0}, []byte{0}, []byte{0}), 3, 1, 1, 1, 3},
		{"two pairs and a single node", of([]byte{1}, []byte{0}, []byte{3}, []byte{2}, nil), 2, 3, 0, 1, 1},
		{"the node between them is gone", of([]byte{gone}, []byte{gone}), 0, 2, 0, 0, 0},
		{"a chain reported from one side", of(nil, []byte{0}, []byte{1}, []byte{2}), 3, 1, 0, 1, 1},
	} {
		var s Stats
		s.measure(tt.g)
		if s.Up != len(tt.g) || s.Links != tt.links || s.Components != tt.components ||
			s.MinPeers != tt.min || s.MedianPeers != tt.median || s.MaxPeers != tt.max {
			t.Errorf("%s: got %+v", tt.name, s)
		}
	}
}

func TestStatsLine(t *testing.T) {
	for _, tt := range []struct {
		s    Stats
		want string
	}{
		{
			Stats{Elapsed: 7900 * time.Millisecond, Whole: time.Second, Want: 100, Up: 98, Links: 412, MinPeers: 4, MedianPeers: 8, MaxPeers: 10, Components: 1},
			"   7s  98 of 100 nodes up, 412 links, peers 4/8/10 (min/median/max), connected",
		},
		{
			Stats{Elapsed: time.Hour, Want: 2, Up: 2, Components: 2, Killed: 3, Crashes: 5, Restarts: 4},
			"3600s  2 of 2 nodes up, 0 links, peers 0/0/0 (min/median/max), 2 components, 3 killed, 5 crashes, 4 restarts",
		},
		{
			Stats{Elapsed: 20 * time.Second, Want: 300, Up: 120, Components: 1, Late: 2},
			"  20s  120 of 300 nodes up, 0 links, peers 0/0/0 (min/median/max), connected, starting, about 30s left, 2 starts repeated",
		},
		{Stats{}, "   0s  0 of 0 nodes up, 0 links, peers 0/0/0 (min/median/max), 0 components"},
	} {
		if got := tt.s.String(); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}

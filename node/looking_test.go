package node_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

func TestCandidatesBecomePeers(t *testing.T) {
	tests := []struct {
		name  string
		max   int
		ratio int
		found int
		after time.Duration
		want  int
	}{
		{name: "a third of 30", max: 30, found: 60, after: time.Minute, want: 10},
		{name: "half of 10", max: 10, ratio: 2, found: 60, after: time.Minute, want: 5},
		{name: "four of 9 at least", max: 9, found: 60, after: time.Minute, want: 4},
		{name: "all nodes that exist", max: 30, found: 3, after: time.Minute, want: 3},
		{name: "three quarters without inbound peers", max: 20, found: 60, after: 10 * time.Minute, want: 15},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, tt.found, scattered)
				n := memNode(t, nodetest.NewNetwork(), home, func(cfg *node.Config) {
					cfg.MaxPeers, cfg.DialRatio = tt.max, tt.ratio
					cfg.Candidates, cfg.Dial = enode.CycleNodes(c.nodes), c.welcome
				})
				defer nodetest.Stop(t, n)
				time.Sleep(tt.after)
				synctest.Wait()
				// Dials that are in progress when the last place is taken become peers as well.
				if got := n.PeerCount(); got < tt.want || got > tt.want+2 {
					t.Errorf("%d peers, want %d", got, tt.want)
				}
				for _, p := range n.Peers() {
					if p.Inbound || p.Static || p.Trusted {
						t.Errorf("%+v is not a dynamically dialed peer", p)
					}
				}
			})
		})
	}
}

// counted counts the nodes that are read from an iterator. Each takes a second.
type counted struct {
	enode.Iterator
	read atomic.Int64
}

func (c *counted) Next() bool {
	c.read.Add(1)
	time.Sleep(time.Second)
	return c.Iterator.Next()
}

// TestFullNodeDoesNotSearch: the node reads no candidates while it has no room for peers.
func TestFullNodeDoesNotSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 20, scattered)
		source := &counted{Iterator: enode.CycleNodes(c.nodes)}
		n := memNode(t, nodetest.NewNetwork(), home, func(cfg *node.Config) {
			cfg.MaxPeers, cfg.DialRatio = 4, 1
			cfg.Candidates, cfg.Dial = source, c.welcome
		})
		defer nodetest.Stop(t, n)
		time.Sleep(30 * time.Second)
		if n.PeerCount() < 4 {
			t.Fatalf("%d peers", n.PeerCount())
		}
		before := source.read.Load()
		time.Sleep(time.Minute)
		// One read may have been in progress.
		if more := source.read.Load() - before; more > 1 {
			t.Errorf("%d candidates were read while there was no room", more)
		}
	})
}

// TestLookingGoesOnThroughCrashes: the actors of the search restart after crashes, and the node
// finds its peers all the same.
func TestLookingGoesOnThroughCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 60, scattered)
		n := memNode(t, nodetest.NewNetwork(), home, func(cfg *node.Config) {
			cfg.MaxPeers, cfg.MaxDialRate = 30, 1
			cfg.Candidates, cfg.Dial = enode.CycleNodes(c.nodes), c.welcome
			for _, name := range []string{"dialer", "candidates", "handshakes"} {
				cfg.Chaos = append(cfg.Chaos, node.Chaos{Pattern: "*/" + name, Interval: 7 * time.Second})
			}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := n.PeerCount(); got < 10 {
			t.Errorf("%d peers, want at least 10", got)
		}
		nodetest.Stop(t, n)
	})
}

// TestStopWhileNothingIsFound: an iterator that blocks does not delay Stop, which closes it.
func TestStopWhileNothingIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := enode.NewFairMix(time.Second)
		n := memNode(t, nodetest.NewNetwork(), home, func(cfg *node.Config) { cfg.Candidates = nothing })
		time.Sleep(time.Minute)
		begin := time.Now()
		nodetest.Stop(t, n)
		if took := time.Since(begin); took > 0 {
			t.Errorf("stop took %v", took)
		}
		if nothing.Next() {
			t.Error("the iterator is not closed")
		}
	})
}

// TestCandidatesThatRefuse: 5,000 candidates that refuse are dialed once each, at a steady rate,
// and cause only a few log lines.
func TestCandidatesThatRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 5000, scattered)
		var log actortest.Log
		n := memNode(t, nodetest.NewNetwork(), home, func(cfg *node.Config) {
			cfg.Candidates, cfg.Dial, cfg.Logger = enode.CycleNodes(c.nodes), c.refuse, slog.New(slog.NewTextHandler(&log, nil))
		})
		const minutes = 5
		time.Sleep(minutes * time.Minute)
		nodetest.Stop(t, n)
		if got := c.busiestSecond(); got > node.DefaultMaxDialRate {
			t.Errorf("%d dials within a second, want at most %d", got, node.DefaultMaxDialRate)
		}
		if got := len(c.dials); got < minutes*60*node.DefaultMaxDialRate*9/10 {
			t.Errorf("only %d dials in %d minutes, so the checks below show nothing", got, minutes)
		}
		for at, n := range c.count {
			if n > 1 {
				t.Errorf("%v dialed %d times", at, n)
			}
		}
		all, search := log.Lines(""), log.Lines("looking for peers")
		if len(search) < 3 || len(all) > 8 {
			t.Errorf("%d log lines, %d about the search: %v", len(all), len(search), all)
		}
		for _, part := range []string{"peers=0", "failed.unreachable=", "candidates=", "dialed=", "linked=0"} {
			if len(search) > 0 && !strings.Contains(search[0], part) {
				t.Errorf("%q has no %s", search[0], part)
			}
		}
	})
}

// TestFewCandidatesThatRefuse: in a small network that is down, the pauses between dials to a node
// grow, and other node IDs at the same endpoint are not dialed in between.
func TestFewCandidatesThatRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 3, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 1, byte(i)}) })
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, 0}), 10000)
		all := append([]*enode.Node{}, c.nodes...)
		for range 10 {
			all = append(all, enode.NewV4(&fixture.Key(t).PublicKey, at.Addr().AsSlice(), 10000, 10000))
		}
		n := memNode(t, nodetest.NewNetwork(), home, func(cfg *node.Config) {
			cfg.Candidates, cfg.Dial = enode.CycleNodes(all), c.refuse
		})
		time.Sleep(3 * time.Hour)
		nodetest.Stop(t, n)
		// The pauses are 1, 2, 4, … 32 minutes and then 60, each up to a fifth shorter.
		for at, n := range c.count {
			if n < 7 || n > 12 {
				t.Errorf("%v dialed %d times in 3 hours, want 7 to 12", at, n)
			}
		}
	})
}

package devnet

import (
	"fmt"
	"strings"
	"time"
)

// Stats is the state of a net.
type Stats struct {
	Elapsed time.Duration // since the start
	Want    int           // intended number of nodes
	Up      int           // running nodes
	Links   int           // links between running nodes

	MinPeers, MedianPeers, MaxPeers int // peers of a node

	// Components is the number of connected components; 1: all nodes are connected.
	Components int

	Whole time.Duration // from the start until all nodes were up for the first time; 0: not yet
	Late  int64         // starts of nodes that took too long, and were repeated

	Killed   int64 // killed nodes
	Crashes  int64 // crashes of actors
	Restarts int64 // restarts of actors
}

// String returns the state in one line.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4ds  %d of %d nodes up, %d links, peers %d/%d/%d (min/median/max), ", int(s.Elapsed.Seconds()), s.Up, s.Want, s.Links,
		s.MinPeers, s.MedianPeers, s.MaxPeers)
	if s.Components == 1 {
		b.WriteString("connected")
	} else {
		fmt.Fprintf(&b, "%d components", s.Components)
	}
	if s.Whole == 0 && s.Up > 0 && s.Up < s.Want {
		left := s.Elapsed * time.Duration(s.Want-s.Up) / time.Duration(s.Up)
		fmt.Fprintf(&b, ", starting, about %v left", left.Round(time.Second))
	}
	if s.Late > 0 {
		fmt.Fprintf(&b, ", %d starts repeated", s.Late)
	}
	if s.Killed > 0 {
		fmt.Fprintf(&b, ", %d killed", s.Killed)
	}
	if s.Crashes > 0 || s.Restarts > 0 {
		fmt.Fprintf(&b, ", %d crashes, %d restarts", s.Crashes, s.Restarts)
	}
	return b.String()
}

// measure sets the fields that depend on the graph.
func (s *Stats) measure(g graph) {
	g.prune()
	s.Up, s.Links, s.Components = len(g), g.links(), g.components()
	s.MinPeers, s.MedianPeers, s.MaxPeers = g.degrees()
}

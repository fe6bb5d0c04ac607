package devnet

import (
	"fmt"
	"strings"
	"time"
)

// Stats is how a net is getting on.
type Stats struct {
	Elapsed time.Duration // since its start
	Want    int           // nodes that there are to be
	Up      int           // nodes that run
	Links   int           // between two of them

	MinPeers, MedianPeers, MaxPeers int // of a node

	// Components is the number of parts between which there is no link; 1: all nodes are
	// connected.
	Components int

	Killed   int64 // nodes
	Crashes  int64 // actors that failed
	Restarts int64 // of actors
}

// String puts it in one line.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4ds  %d of %d nodes up, %d links, peers %d/%d/%d (min/median/max), ", int(s.Elapsed.Seconds()), s.Up, s.Want, s.Links,
		s.MinPeers, s.MedianPeers, s.MaxPeers)
	if s.Components == 1 {
		b.WriteString("connected")
	} else {
		fmt.Fprintf(&b, "%d components", s.Components)
	}
	if s.Killed > 0 {
		fmt.Fprintf(&b, ", %d killed", s.Killed)
	}
	if s.Crashes > 0 || s.Restarts > 0 {
		fmt.Fprintf(&b, ", %d crashes, %d restarts", s.Crashes, s.Restarts)
	}
	return b.String()
}

// measure fills in what the graph says.
func (s *Stats) measure(g graph) {
	g.prune()
	s.Up, s.Links, s.Components = len(g), g.links(), g.components()
	s.MinPeers, s.MedianPeers, s.MaxPeers = g.degrees()
}

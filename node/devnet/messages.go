package devnet

import (
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
)

// This file has all messages of the devnet's actor, by sender.

// From Net.

// kill ends n nodes, chosen at random, without replacement.
type kill struct {
	supervise.Late
	n int
}

// finish ends all nodes, and then the actor.
type finish struct{ supervise.Late }

// From the actor's goroutines and timers.

// nodeUp reports that a node has started, or the error.
type nodeUp struct {
	supervise.Late
	node *node.Node
	err  error
}

// nodeGone reports that a node has ended.
type nodeGone struct {
	supervise.Late
	replace bool // start another node in its place
}

// chaosTick is the timer of chaos.
type chaosTick struct{ supervise.Late }

package devnet

import (
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
)

// This file is the whole vocabulary of the devnet's actor, by sender.

// From Net.

// kill ends so many nodes, chosen at random, for good.
type kill struct {
	supervise.Late
	n int
}

// finish ends all nodes, and then the actor.
type finish struct{ supervise.Late }

// From the actor's goroutines and timers.

// nodeUp says that a node runs, or why it doesn't.
type nodeUp struct {
	supervise.Late
	node *node.Node
	err  error
}

// nodeGone says that a node has ended.
type nodeGone struct {
	supervise.Late
	replace bool // another is to come in its place
}

// mischief is the timer of chaos.
type mischief struct{ supervise.Late }

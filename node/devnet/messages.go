package devnet

import "github.com/troupe-p2p/troupe/node"

// This file is the whole vocabulary of the devnet's actor, by sender.

// late is embedded in messages that may find their receiver gone. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// From Net.

// kill ends so many nodes, chosen at random, for good.
type kill struct {
	late
	n int
}

// finish ends all nodes, and then the actor.
type finish struct{ late }

// From the actor's goroutines and timers.

// nodeUp says that a node runs, or why it doesn't.
type nodeUp struct {
	late
	node *node.Node
	err  error
}

// nodeGone says that a node has ended.
type nodeGone struct {
	late
	replace bool // another is to come in its place
}

// mischief is the timer of chaos.
type mischief struct{ late }

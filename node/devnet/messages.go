package devnet

import "github.com/troupe-p2p/troupe/node"

// This file has all messages of the devnet's actor, by sender.

// late is embedded in messages that may find their receiver gone. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// From Net.

// kill ends n nodes, chosen at random, without replacement.
type kill struct {
	late
	n int
}

// finish ends all nodes, and then the actor.
type finish struct{ late }

// From the actor's goroutines and timers.

// nodeUp reports that a node has started, or the error.
type nodeUp struct {
	late
	node *node.Node
	err  error
}

// nodeGone reports that a node has ended.
type nodeGone struct {
	late
	replace bool // start another node in its place
}

// chaosTick is the timer of chaos.
type chaosTick struct{ late }

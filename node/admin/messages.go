package admin

import "net"

// This file is the whole vocabulary of the actor, by sender.

// late is embedded in messages that may find their receiver gone. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// From the node.

// Changed says that Config.APIs gives something else than before. Connections that come are
// served that.
type Changed struct{ late }

// From the actor's own goroutines.

// acceptFailed tells that a listener has an error, from its goroutine, which tries again.
type acceptFailed struct {
	late
	on  net.Addr
	err error
}

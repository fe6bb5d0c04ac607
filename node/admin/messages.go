package admin

import "net"

// This file has all messages of the actor, by sender.

// late is embedded in messages that may find their receiver gone. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// From the node.

// Changed says that the result of Config.APIs has changed. New connections get the new
// namespaces.
type Changed struct{ late }

// From the actor's own goroutines.

// acceptFailed reports an error of a listener. The listener's goroutine tries again.
type acceptFailed struct {
	late
	on  net.Addr
	err error
}

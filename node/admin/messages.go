package admin

import (
	"net"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file has all messages of the actor, by sender.

// From the node.

// Changed says that the result of Config.APIs has changed. New connections get the new
// namespaces.
type Changed struct{ supervise.Late }

// From the actor's own goroutines.

// acceptFailed reports an error of a listener. The listener's goroutine tries again.
type acceptFailed struct {
	supervise.Late
	on  net.Addr
	err error
}

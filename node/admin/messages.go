package admin

import (
	"net"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file is the whole vocabulary of the actor, by sender.

// From the node.

// Changed says that Config.APIs gives something else than before. Connections that come are
// served that.
type Changed struct{ supervise.Late }

// From the actor's own goroutines.

// acceptFailed tells that a listener has an error, from its goroutine, which tries again.
type acceptFailed struct {
	supervise.Late
	on  net.Addr
	err error
}

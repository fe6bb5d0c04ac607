package listen

import (
	"net"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// acceptFailed reports that a goroutine could not accept and now pauses. The goroutine sends it
// to the actor.
type acceptFailed struct {
	supervise.Late
	addr net.Addr
	err  error
}

package listen

import (
	"net"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// acceptFailed goes to the actor from a goroutine that could not accept and now pauses.
type acceptFailed struct {
	supervise.Late
	addr net.Addr
	err  error
}

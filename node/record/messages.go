package record

import (
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/punch"
)

// Due asks the announcer whether the record is still true. Its timer and Node's methods send
// it.
type Due struct{ supervise.Late }

// PuncherUp says that the puncher has started. The root sends it.
type PuncherUp struct{ supervise.Late }

// From the NAT actor and the puncher, by the functions of Record.
type (
	// addressFound is where the node is reached from outside.
	addressFound struct {
		supervise.Late
		address nat.ExternalAddress
	}
	// natChanged is a new status of the NAT actor.
	natChanged struct {
		supervise.Late
		status nat.Status
	}
	// punchChanged is a new state of the puncher.
	punchChanged struct {
		supervise.Late
		state punch.State
	}
)

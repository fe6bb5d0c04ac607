package record

import (
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/punch"
)

// Due makes the announcer check whether the record must change. Its timer and Node's methods
// send it.
type Due struct{ supervise.Late }

// PuncherUp reports that the puncher has started. The root sends it.
type PuncherUp struct{ supervise.Late }

// From the NAT actor and the puncher, which call methods of Record.
type (
	// addressFound is a new address at which other nodes reach this one.
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

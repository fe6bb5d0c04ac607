package nat

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file contains all messages of the actor, grouped by sender.

// From the node.

// Inbound notifies the actor that a remote reached this node from outside: a TCP connection was
// accepted, or a packet came from an address to which this node had sent nothing. The node sends it
// for public addresses only, and at most once every few seconds.
type Inbound struct {
	supervise.Late
	Protocol Protocol
}

// Leave ends the actor: it deletes its mappings, for leaveTime at most, and stops. Send it instead
// of a stop, which would leave the mappings in the router until they expire.
type Leave struct{ supervise.Late }

// To the node, by Config.Publish.

// ExternalAddress is the address at which others reach the node. IP is invalid if no address is
// known any more: the node then removes its address from its record.
type ExternalAddress struct {
	IP         netip.Addr   `json:"ip"`
	Other      netip.Addr   `json:"other,omitzero"` // of the other family, with the same ports; invalid: none
	TCPPort    ExternalPort `json:"tcp"`            // 0: not reachable
	UDPPort    ExternalPort `json:"udp"`            // 0: not reachable
	Method     Method       `json:"method"`
	Router     string       `json:"router,omitempty"`
	Confidence Confidence   `json:"confidence"`
}

// From the actor's own goroutines and timers.

// wake is sent by the actor's timer: an action of the machine may be due.
type wake struct{ supervise.Late }

// found reports a router that answered a search; searched reports the end of the search.
type (
	found struct {
		supervise.Late
		search uint64
		mapper Mapper
	}
	searched struct {
		supervise.Late
		search   uint64
		problems []error
	}
)

// The results of single calls. op is the number of the call; the actor uses it to recognise a
// result that is no longer expected.
type (
	readingDone struct {
		supervise.Late
		op      uint64
		reading Reading
		err     error
	}
	mapDone struct {
		supervise.Late
		op      uint64
		mapping Mapping
		err     error
	}
	verifyDone struct {
		supervise.Late
		op      uint64
		mapping Mapping
		err     error
	}
	unmapDone struct {
		supervise.Late
		op  uint64
		err error
	}
)

// disturbed comes from the watcher: a device that claims to be a router announced itself. The claim
// is not verified.
type disturbed struct {
	supervise.Late
	from netip.Addr
	notice
}

// surroundings comes from the goroutine that reads routes and interfaces.
type surroundings struct {
	supervise.Late
	networks []network
}

// look is sent by the actor's timer: read routes and interfaces again.
type look struct{ supervise.Late }

// listenFailed comes from the watcher: it can't listen to the announcements on one interface.
type listenFailed struct {
	supervise.Late
	err error
}

// left reports, after Leave, that a mapping was deleted or that its deletion failed. leaveOverdue
// is sent when the deletions take too long.
type (
	left struct {
		supervise.Late
		err error
	}
	leaveOverdue struct{ supervise.Late }
)

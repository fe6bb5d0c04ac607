package nat

import (
	"net/netip"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file is the whole vocabulary of the actor, by sender.

// From the node.

// Inbound tells the actor that somebody reached us from outside: a TCP connection was
// accepted, or a packet came from an address that we had sent nothing to. The node
// sends it for public addresses only, and need not send it more often than every few
// seconds.
type Inbound struct {
	supervise.Late
	Protocol Protocol
}

// Leave ends the actor: it deletes its mappings, for leaveTime at the most, and stops. To be
// sent in place of a stop, which would leave the mappings to run out.
type Leave struct{ supervise.Late }

// StatusRequest asks for a *[Status], which comes as the response.
type StatusRequest struct{ supervise.Late }

// To the node, by Config.Publish.

// ExternalAddress is where others reach the node. IP is not valid when nothing is known
// any more: the node then takes its address out of its record.
type ExternalAddress struct {
	IP         netip.Addr   `json:"ip"`
	TCPPort    ExternalPort `json:"tcp"` // 0: not reachable
	UDPPort    ExternalPort `json:"udp"` // 0: not reachable
	Method     Method       `json:"method"`
	Router     string       `json:"router,omitempty"`
	Confidence Confidence   `json:"confidence"`
}

// From the actor's own goroutines and timers.

// wake is the actor's timer to itself: something may be due.
type wake struct{ supervise.Late }

// found tells of a router that answered a search, searched of the search's end.
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

// The answers to one call each. op is the call's number: an answer that nobody waits
// for any more is recognised by it.
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

// disturbed comes from the watcher: a router, or something that says so, announced
// itself.
type disturbed struct {
	supervise.Late
	from netip.Addr
	notice
}

// surroundings comes from the goroutine that looks at routes and interfaces.
type surroundings struct {
	supervise.Late
	networks []network
}

// look is the actor's timer to itself: look at routes and interfaces.
type look struct{ supervise.Late }

// deaf comes from the watcher: it can't listen to announcements there.
type deaf struct {
	supervise.Late
	err error
}

// left comes when a mapping was deleted, or couldn't be, after Leave; leaveOverdue when
// that takes too long.
type (
	left struct {
		supervise.Late
		err error
	}
	leaveOverdue struct{ supervise.Late }
)

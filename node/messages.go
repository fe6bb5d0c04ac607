package node

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/protocols"
)

// This file has the messages of the root. The other actors' messages are in their packages.

// stopNode makes the root stop its children in order, and then itself. Stop sends it.
type stopNode struct {
	supervise.Late
	begin time.Time // of the stop, by the node's clock
}

// addService starts the service of a protocol that was added. AddProtocol sends it. The root
// answers once.
type addService struct {
	supervise.Late
	mounted *protocols.Mounted
	started chan<- error // buffered, so that the root never waits
}

// serviceUnused reports that the last link with a removed protocol has ended. The peers actor
// calls peers.Config.ServiceUnused, which sends it.
type serviceUnused struct {
	supervise.Late
	service *actor.PID
}

// stepOverdue is the message of the root's timer: a child has not stopped in time.
type stepOverdue struct {
	supervise.Late
	child *child
}

// stopOverdue is the message of the root's timer: the time of the whole stop is over.
type stopOverdue struct{ supervise.Late }

// chaosDue is the message of the root's timer: inject the panics of Config.Chaos[index] now.
type chaosDue struct {
	supervise.Late
	index int
}

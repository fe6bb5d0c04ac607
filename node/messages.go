package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/protocols"
)

// This file is the vocabulary of the root. The other actors' messages are in their packages.

// stopNode ends everything in order. Stop sends it.
type stopNode struct{ supervise.Late }

// addService starts the service of a protocol that was added. AddProtocol sends it; the root
// answers once.
type addService struct {
	supervise.Late
	mounted *protocols.Mounted
	started chan<- error // has room
}

// serviceUnused says that the last link of a removed protocol is gone. peers' configuration
// sends it.
type serviceUnused struct {
	supervise.Late
	service *actor.PID
}

// stepOverdue is the root's timer's message: a child has not stopped in time.
type stepOverdue struct {
	supervise.Late
	child *child
}

// chaosDue is the root's timer's message: inject the panics of Config.Chaos[index] now.
type chaosDue struct {
	supervise.Late
	index int
}

package punch

import (
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file is the whole vocabulary of the actors, by sender.

// To the puncher, from who wants a connection.

// Reach asks for a TCP connection to a node that can't be dialed. To gets one *[Reached],
// whatever happens.
type Reach struct {
	supervise.Late
	Node *enode.Node
	To   *actor.PID
}

// Reached answers [Reach]. Conn is to be taken by the receiver, who is the RLPx initiator on
// it, whichever way the connection came; it is nil with an Err, which is one of this
// package's.
type Reached struct {
	supervise.Late
	ID   enode.ID
	Conn *Handover
	Err  error
}

// From the announcer.

// Mapped says whether others reach the node without our help: the operator said so, or a
// router maps its ports.
type Mapped struct {
	supervise.Late
	Open bool
}

// Renewed says that the node's record is another than before.
type Renewed struct{ supervise.Late }

// To the announcer, by way of Config.Changed.

// State is what the puncher knows.
type State struct {
	Belief NAT `json:"nat"`
	// Observed is our UDP endpoint, and TCP our TCP endpoint, as neighbours see them; not
	// valid while unknown.
	Observed netip.AddrPort `json:"udp"`
	TCP      netip.AddrPort `json:"tcp"`
	// Relays are the neighbours that are told where we are.
	Relays []enode.ID `json:"relays"`
	// Calls counts our calls by how they ended, see the Ended… constants, and Rung those that we were rung
	// for. Relayed counts those of others that went through us, and Refused the messages over a limit.
	Calls   map[string]uint64 `json:"calls"`
	Rung    map[string]uint64 `json:"rung"`
	Relayed uint64            `json:"relayed"`
	Refused uint64            `json:"refused"`
}

// To the puncher, from the goroutines of discovery.

// rung says that a neighbour rang for a caller, and that our NAT is open for it. The puncher
// passes it on to the actor that answers the caller, if that makes another call now.
type rung struct {
	supervise.Late
	caller enode.ID
	token  token
}

// greeted says that a node said HELLO, while we don't know where we are ourselves.
type helloReceived struct {
	supervise.Late
	from *enode.Node
	at   netip.AddrPort // where it is
}

// openAsked is a caller's OPEN. reply takes one answer without blocking; the puncher passes
// the message on to the actor that answers the call.
type openAsked struct {
	supervise.Late
	from  enode.ID
	at    netip.AddrPort
	msg   open
	reply chan openAnswer
}

// From the puncher's own goroutines and timers.

// due is the puncher's timer to itself: there may be neighbours to talk to.
type due struct{ supervise.Late }

// helloed says what a neighbour sees, or why it doesn't say.
type helloAnswered struct {
	supervise.Late
	relay  *enode.Node
	answer helloAnswer
	err    error
}

// ponged is the same by a neighbour who does not take part.
type pingAnswered struct {
	supervise.Late
	by       netip.AddrPort
	observed netip.AddrPort
	err      error
}

// otherSaw is what the other port of a neighbour sees.
type secondPortSaw struct {
	supervise.Late
	by       netip.AddrPort
	token    token
	observed netip.AddrPort
}

// introduced is a neighbour's record, for one of whom we had a URL only.
type recordReceived struct {
	supervise.Late
	id   enode.ID
	node *enode.Node // nil: it didn't answer
}

// tcpSeen says under which TCP endpoint a neighbour sees our listening port.
type tcpSeen struct {
	supervise.Late
	observed netip.AddrPort
	err      error
}

// From calls and answers to the puncher.

// callEnded is the last word of a call's actor. The puncher stops it, and answers the asker.
type callEnded struct {
	supervise.Late
	by   *actor.PID
	conn *Handover // nil with an err
	err  error
}

// answerEnded is the last word of an answer's actor.
type answerEnded struct {
	supervise.Late
	by  *actor.PID
	err error
}

// To calls and answers.

// crossing tells a call that its target calls us, and wants to connect. The call answers
// OPEN if it goes on itself; else it ends, and has the puncher answer.
type crossCall struct {
	supervise.Late
	asked *openAsked
}

// gaveWay is the call's word for the latter.
type callYielded struct {
	supervise.Late
	asked *openAsked
}

// From the goroutines and timers of calls and answers to themselves.

type (
	called struct { // by a relay
		supervise.Late
		status status
		target netip.AddrPort
		err    error
	}
	openerReceived struct {
		supervise.Late
		from netip.AddrPort
	}
	pong struct {
		supervise.Late
		err error
	}
	pauseOver struct{ supervise.Late }
	learned   struct { // our TCP port
		supervise.Late
		port uint16
		err  error
	}
	opened struct {
		supervise.Late
		answer openAnswer
		trip   time.Duration
		err    error
	}
	connected struct {
		supervise.Late
		conn *Handover
		err  error
	}
	expired struct{ supervise.Late }
)

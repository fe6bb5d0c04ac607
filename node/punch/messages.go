package punch

import (
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file has all messages of the actors, grouped by sender.

// To the puncher, from an actor that wants a connection.

// Reach asks for a TCP connection to a node that cannot be dialed. To always receives exactly one
// *[Reached].
type Reach struct {
	supervise.Late
	Node *enode.Node
	To   *actor.PID
}

// Reached answers [Reach]. The receiver takes Conn and is the RLPx initiator on it, whichever side
// opened the connection. Conn is nil if Err is set; Err is one of this package's errors.
type Reached struct {
	supervise.Late
	ID   enode.ID
	Conn *Handover
	Err  error
}

// From the announcer.

// Mapped says whether other nodes reach this node without hole punching: the operator says so, or a
// router maps its ports.
type Mapped struct {
	supervise.Late
	Open bool
}

// Renewed says that the node's record has changed.
type Renewed struct{ supervise.Late }

// To the announcer, through Config.Changed.

// State is what the puncher knows.
type State struct {
	Belief NAT `json:"nat"`
	// Observed is the node's UDP endpoint, and TCP its TCP endpoint, as neighbours see them. They are
	// invalid while unknown.
	Observed netip.AddrPort `json:"udp"`
	TCP      netip.AddrPort `json:"tcp"`
	// Relays are the neighbours that receive HELLOs from this node.
	Relays []enode.ID `json:"relays"`
	// Calls counts this node's calls by result, see the Ended… constants. Rung counts in the same way the
	// calls of other nodes to this one. Relayed counts calls between others that this node relayed, and
	// Refused the messages over a limit.
	Calls   map[string]uint64 `json:"calls"`
	Rung    map[string]uint64 `json:"rung"`
	Relayed uint64            `json:"relayed"`
	Refused uint64            `json:"refused"`
}

// To the puncher, from the goroutines of discovery.

// rung says that a neighbour rang for a caller, and that the NAT is open for it now. The puncher
// passes the message on to the actor that answers the caller if this is another call.
type rung struct {
	supervise.Late
	caller enode.ID
	token  token
}

// helloReceived says that a node said HELLO while this node does not know its own endpoint.
type helloReceived struct {
	supervise.Late
	from *enode.Node
	at   netip.AddrPort // where it is
}

// openAsked is a caller's OPEN. reply takes one answer without blocking. The puncher passes the
// message on to the actor that answers the call.
type openAsked struct {
	supervise.Late
	from  enode.ID
	at    netip.AddrPort
	msg   open
	reply chan openAnswer
}

// From the puncher's own goroutines and timers.

// due is a timer of the puncher: a HELLO may be due.
type due struct{ supervise.Late }

// helloAnswered is a neighbour's answer to HELLO, or the reason why there is none.
type helloAnswered struct {
	supervise.Late
	relay  *enode.Node
	answer helloAnswer
	err    error
}

// pingAnswered is what a node saw that was pinged instead, or the reason why it did not answer.
type pingAnswered struct {
	supervise.Late
	by       netip.AddrPort
	observed netip.AddrPort
	err      error
}

// secondPortSaw is what the second port of a neighbour sees.
type secondPortSaw struct {
	supervise.Late
	by       netip.AddrPort
	token    token
	observed netip.AddrPort
}

// recordReceived is the record of a neighbour of which only a URL was known.
type recordReceived struct {
	supervise.Late
	id   enode.ID
	node *enode.Node // nil: it did not answer
}

// tcpSeen says under which TCP endpoint a neighbour sees the listening port.
type tcpSeen struct {
	supervise.Late
	observed netip.AddrPort
	err      error
}

// From the actors of calls and answers to the puncher.

// callEnded is the last message of a call's actor. The puncher stops the actor and answers Reach.
type callEnded struct {
	supervise.Late
	by   *actor.PID
	conn *Handover // nil if err is set
	err  error
}

// answerEnded is the last message of an answer's actor.
type answerEnded struct {
	supervise.Late
	by  *actor.PID
	err error
}

// To the actors of calls and answers.

// crossCall tells a call that its target also calls this node and has sent OPEN. The call replies to OPEN
// if it continues. Otherwise it ends with callYielded, and the puncher has the OPEN answered.
type crossCall struct {
	supervise.Late
	asked *openAsked
}

// callYielded says that a call ended in favour of the target's own.
type callYielded struct {
	supervise.Late
	asked *openAsked
}

// From the goroutines and timers of calls and answers to themselves.

type (
	called struct { // a relay answered CALL
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
	learned   struct { // this node's external TCP port
		supervise.Late
		port uint16
		err  error
	}
	opened struct { // the target answered OPEN
		supervise.Late
		answer openAnswer
		trip   time.Duration // of OPEN and its answer
		err    error
	}
	connected struct {
		supervise.Late
		conn *Handover
		err  error
	}
	expired struct{ supervise.Late }
)

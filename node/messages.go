package node

import (
	"net"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// This file is the whole vocabulary of the node's own actors, by sender.

// late is embedded in messages that may find their receiver gone: timers, results of
// goroutines that were cut off, news for an actor that stopped first. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// From Node's methods.

// stopNode goes to the root, from Stop: end everything in order.
type stopNode struct{ late }

// addStatic goes to the dialer, from AddPeer: keep a link to this node.
type addStatic struct {
	late
	node *enode.Node
}

// removeStatic goes to the dialer, from RemovePeer: dial this node no more.
type removeStatic struct {
	late
	id enode.ID
}

// dropPeer goes to peers, from RemovePeer: end the link to this node if there is one.
type dropPeer struct {
	late
	id enode.ID
}

// bansChanged goes to bans, from whoever changed the list.
type bansChanged struct{ late }

// addService goes to the root, from AddProtocol: start its service. The root answers once.
type addService struct {
	late
	mounted *protocols.Mounted
	started chan<- error // has room
}

// dropProtocol goes to peers, from RemoveProtocol: end the links that have nothing left, and
// see to it that the protocol's service ends after the others.
type dropProtocol struct {
	late
	mounted *protocols.Mounted
}

// dropBanned goes to peers, from Ban: end the links that it concerns.
type dropBanned struct{ late }

// From the root.

// drain goes to handshakes and then to peers when the node stops: say good-bye to all,
// then stop.
type drain struct{ late }

// stepOverdue is the root's timer to itself: a child has not stopped in time.
type stepOverdue struct {
	late
	child *actor.PID
}

// chaosDue is the root's timer to itself: inject the panics of Config.Chaos[index] now.
type chaosDue struct {
	late
	index int
}

// From the listener.

// accepted goes to handshakes, from an accepting goroutine, for each connection. It
// carries one credit of Node.intake, which handshakes gives back.
type accepted struct{ conn net.Conn }

// acceptFailed goes to the listener, from an accepting goroutine that now waits.
type acceptFailed struct {
	late
	addr net.Addr
	err  error
}

// From the answers of the puncher.

// called goes to handshakes for each connection that a hole was punched for, where the
// remote called. It carries a credit as well.
type called struct {
	late
	conn *punch.Handover
}

// From the dialer.

// startDial goes to handshakes: set up a connection to this node.
type startDial struct {
	late
	dial
}

// cancelDial goes to handshakes: the node of this dial was removed.
type cancelDial struct {
	late
	ticket uint64
}

// dialDue is the dialer's timer to itself: something may be due.
type dialDue struct{ late }

// The sources of nodes are asked by *discovery.Request, and answer by *discovery.Candidate.

// From candidates.

// nextNode comes to candidates from the goroutine that reads Config.Candidates.
type nextNode struct {
	late
	node *enode.Node // nil: there are no more
}

// From handshakes.

// setupEnded goes to peers, and from there to the dialer if it was a dial, when a
// handshake is over, however it ended.
type setupEnded struct {
	late
	by      *actor.PID
	id      enode.ID   // zero if the remote never said who it is
	addr    netip.Addr // where the connection led; not valid if there was none
	inbound bool
	ticket  uint64 // of the dial; 0 for inbound connections
	punched bool   // the connection came through a hole
	err     error  // nil: the session was given to peers
}

// giveUp goes to an outbound handshake when its dial was cancelled, and comes from peers
// when the remote's own connection takes its place. err says which.
type giveUp struct {
	late
	err error
}

// waitOver is the timer of handshakes to itself: look for connections that have waited
// too long for a slot.
type waitOver struct{ late }

// wrapUp goes to every handshake when the node stops: end, unless the remote may take us
// for a peer already and is to be told.
type wrapUp struct{ late }

// drainOver is the timer of handshakes to itself: what is still under way is cut off.
type drainOver struct{ late }

// From a handshake.

// admit goes to peers once the remote's identity is known: inbound between its auth and
// our ack, outbound between the TCP connection and our auth. Peers answers with a
// *verdict.
type admit struct {
	late
	caller
	by *actor.PID
}

// settle goes to peers with a finished session. The connection belongs to peers from
// then on.
type settle struct {
	by      *actor.PID
	id      enode.ID
	conn    net.Conn
	session *wire.Session
	offer   *offer // what our Hello said
	inbound bool
	punched bool // the connection came through a hole
}

// setupDone goes to handshakes as the handshake's last word: the connection is closed or
// handed over, and the actor may be stopped.
type setupDone struct {
	late
	by      *actor.PID
	id      enode.ID
	punched bool // the connection came through a hole
	err     error
}

// setupOverdue is a handshake's timer to itself.
type setupOverdue struct{ late }

// connected, authRead and sessionReady go to a handshake from the goroutine that did
// the work.
type (
	connected struct {
		late
		err error
	}
	authRead struct {
		late
		recipient *wire.Recipient
		err       error
	}
	sessionReady struct {
		late
		session *wire.Session
		err     error
	}
)

// From the NAT actor, through the functions in its configuration.

// addressFound and natChanged go to the announcer: the node is reached under another
// address than before, and there is something new to see of the router.
type (
	addressFound struct {
		late
		address nat.ExternalAddress
	}
	natChanged struct {
		late
		status nat.Status
	}
)

// From the puncher: a *punch.Reached, which answers the *punch.Reach of a handshake whose node
// can't be dialed; and through the function in its configuration:

// punchChanged goes to the announcer: neighbours say something new of where the node is, or
// something new can be told of calls.
type punchChanged struct {
	late
	state punch.State
}

// From the announcer, and to it.

// recordDue is the announcer's timer to itself: look whether the record is still true.
type recordDue struct{ late }

// puncherUp goes to the announcer from the root, when there is a puncher to tell whether the
// node needs it.
type puncherUp struct{ late }

// From peers.

// churnDue is the timer of peers to itself: somebody may have to make room.
type churnDue struct{ late }

// verdict answers admit: nil admits.
type verdict struct {
	late
	err error
}

// linkUp and linkDown go to the dialer for each link that came and went.
type (
	linkUp struct {
		late
		id      enode.ID
		inbound bool
	}
	linkDown struct {
		late
		caller
		lived time.Duration
		cause dialCause
	}
)

// serviceUnused goes to the root when the last link of a protocol that was removed is gone,
// from whoever found that.
type serviceUnused struct {
	late
	service *actor.PID
}

// sentOff goes to peers from the goroutine that told a refused remote why.
type sentOff struct{ late }

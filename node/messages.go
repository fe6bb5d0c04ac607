package node

import (
	"net"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// This file is the whole vocabulary of the node's own actors, by sender.

// From Node's methods.

// stopNode goes to the root, from Stop: end everything in order.
type stopNode struct{ supervise.Late }

// addStatic goes to the dialer, from AddPeer: keep a link to this node.
type addStatic struct {
	supervise.Late
	node *enode.Node
}

// removeStatic goes to the dialer, from RemovePeer: dial this node no more.
type removeStatic struct {
	supervise.Late
	id enode.ID
}

// dropPeer goes to peers, from RemovePeer: end the link to this node if there is one.
type dropPeer struct {
	supervise.Late
	id enode.ID
}

// addService goes to the root, from AddProtocol: start its service. The root answers once.
type addService struct {
	supervise.Late
	mounted *protocols.Mounted
	started chan<- error // has room
}

// dropProtocol goes to peers, from RemoveProtocol: end the links that have nothing left, and
// see to it that the protocol's service ends after the others.
type dropProtocol struct {
	supervise.Late
	mounted *protocols.Mounted
}

// dropBanned goes to peers, from Ban: end the links that it concerns.
type dropBanned struct{ supervise.Late }

// From the root.

// drain goes to handshakes and then to peers when the node stops: say good-bye to all,
// then stop.
type drain struct{ supervise.Late }

// stepOverdue is the root's timer to itself: a child has not stopped in time.
type stepOverdue struct {
	supervise.Late
	child *actor.PID
}

// chaosDue is the root's timer to itself: inject the panics of Config.Chaos[index] now.
type chaosDue struct {
	supervise.Late
	index int
}

// From the listener.

// accepted goes to handshakes, from an accepting goroutine, for each connection. It
// carries one credit of Node.intake, which handshakes gives back.
type accepted struct{ conn net.Conn }

// acceptFailed goes to the listener, from an accepting goroutine that now waits.
type acceptFailed struct {
	supervise.Late
	addr net.Addr
	err  error
}

// From the answers of the puncher.

// called goes to handshakes for each connection that a hole was punched for, where the
// remote called. It carries a credit as well.
type called struct {
	supervise.Late
	conn *punch.Handover
}

// From the dialer.

// startDial goes to handshakes: set up a connection to this node.
type startDial struct {
	supervise.Late
	dial
}

// cancelDial goes to handshakes: the node of this dial was removed.
type cancelDial struct {
	supervise.Late
	ticket uint64
}

// dialDue is the dialer's timer to itself: something may be due.
type dialDue struct{ supervise.Late }

// The sources of nodes are asked by *discovery.Request, and answer by *discovery.Candidate.

// From candidates.

// nextNode comes to candidates from the goroutine that reads Config.Candidates.
type nextNode struct {
	supervise.Late
	node *enode.Node // nil: there are no more
}

// From handshakes.

// setupEnded goes to peers, and from there to the dialer if it was a dial, when a
// handshake is over, however it ended.
type setupEnded struct {
	supervise.Late
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
	supervise.Late
	err error
}

// waitOver is the timer of handshakes to itself: look for connections that have waited
// too long for a slot.
type waitOver struct{ supervise.Late }

// wrapUp goes to every handshake when the node stops: end, unless the remote may take us
// for a peer already and is to be told.
type wrapUp struct{ supervise.Late }

// drainOver is the timer of handshakes to itself: what is still under way is cut off.
type drainOver struct{ supervise.Late }

// From a handshake.

// admit goes to peers once the remote's identity is known: inbound between its auth and
// our ack, outbound between the TCP connection and our auth. Peers answers with a
// *verdict.
type admit struct {
	supervise.Late
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
	offer   *offer.Offer // what our Hello said
	inbound bool
	punched bool // the connection came through a hole
}

// setupDone goes to handshakes as the handshake's last word: the connection is closed or
// handed over, and the actor may be stopped.
type setupDone struct {
	supervise.Late
	by      *actor.PID
	id      enode.ID
	punched bool // the connection came through a hole
	err     error
}

// setupOverdue is a handshake's timer to itself.
type setupOverdue struct{ supervise.Late }

// connected, authRead and sessionReady go to a handshake from the goroutine that did
// the work.
type (
	connected struct {
		supervise.Late
		err error
	}
	authRead struct {
		supervise.Late
		recipient *wire.Recipient
		err       error
	}
	sessionReady struct {
		supervise.Late
		session *wire.Session
		err     error
	}
)

// From the NAT actor, through the functions in its configuration.

// addressFound and natChanged go to the announcer: the node is reached under another
// address than before, and there is something new to see of the router.
type (
	addressFound struct {
		supervise.Late
		address nat.ExternalAddress
	}
	natChanged struct {
		supervise.Late
		status nat.Status
	}
)

// From the puncher: a *punch.Reached, which answers the *punch.Reach of a handshake whose node
// can't be dialed; and through the function in its configuration:

// punchChanged goes to the announcer: neighbours say something new of where the node is, or
// something new can be told of calls.
type punchChanged struct {
	supervise.Late
	state punch.State
}

// From the announcer, and to it.

// recordDue is the announcer's timer to itself: look whether the record is still true.
type recordDue struct{ supervise.Late }

// puncherUp goes to the announcer from the root, when there is a puncher to tell whether the
// node needs it.
type puncherUp struct{ supervise.Late }

// From peers.

// churnDue is the timer of peers to itself: somebody may have to make room.
type churnDue struct{ supervise.Late }

// verdict answers admit: nil admits.
type verdict struct {
	supervise.Late
	err error
}

// linkUp and linkDown go to the dialer for each link that came and went.
type (
	linkUp struct {
		supervise.Late
		id      enode.ID
		inbound bool
	}
	linkDown struct {
		supervise.Late
		caller
		lived time.Duration
		cause dialCause
	}
)

// serviceUnused goes to the root when the last link of a protocol that was removed is gone,
// from whoever found that.
type serviceUnused struct {
	supervise.Late
	service *actor.PID
}

// sentOff goes to peers from the goroutine that told a refused remote why.
type sentOff struct{ supervise.Late }
